"""The `tabcompletion` command: what makes a shell complete commands, tasks and models.

doit's own asks `doit list`, which shows here only what is pending, and needs a package of bash's.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from doit.cmd_base import DoitCmdBase
from doit.cmd_completion import TabCompletion as DoitTabCompletion
from doit.cmd_completion import opt_hardcode_tasks, opt_shell

from comfyfix import templates
from comfyfix.screen.text import data
from comfyfix.screen.words import t
from comfyfix.tasks.face.guard import Guarded
from comfyfix.tasks.face.options import option
from comfyfix.tasks.face.owned import runs_of
from comfyfix.tasks.run.names import all_names

# Names of models come from workflows of strangers, and a shell may read a completion as code.
_HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/:+@-]*")
_WORDS = {
    **option("words", "", t("only print the names of all tasks, or of all models, one a line")),
    "choices": (("tasks", ""), ("models", "")),
}


class TabCompletion(Guarded, DoitTabCompletion):  # type: ignore[misc]
    """Print what makes a shell complete commands, tasks and models."""

    doc_purpose = t('complete with TAB: `eval "$(doit tabcompletion)"` in ~/.bashrc or ~/.zshrc')
    doc_description = t("For zsh: `doit tabcompletion --shell zsh`.")
    cmd_options = (opt_shell, opt_hardcode_tasks, _WORDS)
    name: ClassVar[str] = "tabcompletion"

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Print the program for a shell, or the words that it asks for."""
        if opt_values["words"] or opt_values["hardcode_tasks"]:
            DoitCmdBase.execute(self, opt_values, pos_args)  # loads the tasks
        if opt_values["words"]:
            words = self._models() if opt_values["words"] == "models" else self._tasks()
            data("".join(f"{word}\n" for word in words))
            return 0
        fields = {
            "@PROGRAM@": self.bin_name,
            "@COMMANDS@": " ".join(sorted(self.cmds)),
            "@OF_MODELS@": "|".join(self._with("MODEL")),
            "@OF_TASKS@": "|".join([*self._with("TASK"), "run"]),
            "@OF_FILES@": "|".join(self._with("FILE")),
            "@TASKS@": "\n".join(self._tasks()) if opt_values["hardcode_tasks"] else "",
        }
        text = templates.text(f"completion.{opt_values['shell']}")
        for field, value in fields.items():
            text = text.replace(field, value)
        data(text)
        return 0

    def _execute(self) -> None:
        """Nothing more: the tasks are loaded."""

    def _with(self, what: str) -> list[str]:
        """The commands whose usage names such a thing."""
        return sorted(name for name, cmd in self.cmds.items() if what in cmd.doc_usage)

    def _tasks(self) -> list[str]:
        return [task.name for task in self.task_list if _HARMLESS.fullmatch(task.name)]

    def _models(self) -> list[str]:
        """The files of all needed models, and their tasks, which every command takes as well."""
        tasks = [name for name in self._tasks() if "download:" in name]
        return [*(w for w in all_names(runs_of(self.task_list)) if _HARMLESS.fullmatch(w)), *tasks]
