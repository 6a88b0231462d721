"""The `help` command: our commands and doit's, of one command, of one task."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from doit.cmd_base import DoitCmdBase
from doit.cmd_help import Help as DoitHelp

from comfyfix.screen.commands import helping
from comfyfix.screen.ends import guarded
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.tasks.commands.base import ProjectCommand
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.guard import Guarded
from comfyfix.tasks.face.nearest import unknown
from comfyfix.tasks.face.owned import run_of
from comfyfix.version import __version__

_OURS_TOO = ("run", "list")  # doit's by name, and quite another thing here


class Help(Guarded, DoitHelp):  # type: ignore[misc]
    """Tell how to use the commands."""

    doc_purpose = t("show this, or how to use a command or a task")
    doc_usage = "[TASK] [COMMAND]"
    name: ClassVar[str] = "help"

    def execute(self, params: Any, args: list[str]) -> int:
        """Tell of all commands, of one, of a task, or (`task`) of what a task may say."""
        if not args:
            self.print_usage(self.cmds)
        elif args[0] == "task":
            self.print_task_help()
        elif args[0] in self.cmds:
            command = self.cmds[args[0]](cmds=self._cmds, **self.init_kwargs)
            say(*command.help().split("\n"))
        else:
            DoitCmdBase.execute(self, params, args)
        return 0

    def print_usage(self, cmds: dict[str, Any]) -> None:
        """Print all commands, ours first."""
        ours: dict[str, str] = {}
        doits: dict[str, str] = {}
        for name, command in sorted(cmds.items()):
            is_ours = name in _OURS_TOO or issubclass(command, ProjectCommand)
            (ours if is_ours else doits)[name] = command.doc_purpose
        say(*helping.commands(self.bin_name, __version__, ours, doits))

    def _execute(self, pos_args: list[str]) -> None:
        task = next((task for task in self.task_list if task.name == pos_args[0]), None)
        if task is None:
            raise unknown(pos_args[0], [*self.cmds, *(task.name for task in self.task_list)])
        run = run_of(task)
        if run is None:
            super()._execute(pos_args)  # its options, as doit tells them
            return
        kind = next((k for k in helping.KINDS if task.name.startswith(run.group(k))), "")
        model = (task.meta or {}).get("model", "").rpartition("/")[2]
        say(*helping.task(task.name, task.doc, kind, model))


def _usage(command: Any, cmds: dict[str, Any]) -> None:
    guarded(functools.partial(Help.print_usage, command, cmds))


inside_doit.tell_usage(_usage)
