"""The `forget` command: of a model, that it is to be searched again; of all else, as doit does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from doit.cmd_base import check_tasks_exist, subtasks_iter, tasks_and_deps_iter
from doit.cmd_forget import Forget as DoitForget

from comfyfix.errors import SetupProblem
from comfyfix.records import Model
from comfyfix.screen.commands import forgetting
from comfyfix.screen.text import laid_out
from comfyfix.screen.words import t
from comfyfix.state import ledger
from comfyfix.tasks.commands.doits_own import Buffered
from comfyfix.tasks.face.owned import run_of
from comfyfix.tasks.run.names import tasks_meant
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.selection import everywhere
from comfyfix.why import Why


class Forget(Buffered, DoitForget):  # type: ignore[misc]
    """Forget that a task has succeeded, or where a model is from."""

    doc_purpose = t("search a model again; without a name, forget what doit remembers")
    doc_usage = "[TASK ...]"
    doc_description = t(
        "`forget download:NAME`: the next run searches the model anew. Its record and script stay "
        "as they are, and so does a file that is there: it is checked against what is found. An "
        "ignored task is ignored no more. Without a name, or with --all, only doit's own memory "
        "goes, which costs nothing."
    )
    name: ClassVar[str] = "forget"

    def _execute(self, forget_sub: bool, forget_disable_default: bool, forget_all: bool) -> None:
        if forget_all or (self.sel_default_tasks and forget_disable_default):
            super()._execute(forget_sub, forget_disable_default, forget_all)
            return
        tasks = {task.name: task for task in self.task_list}
        named = not self.sel_default_tasks
        selected = everywhere(self.sel_tasks, tasks.values())
        names = tasks_meant(tasks, selected or []) if named else (selected or [*tasks])
        check_tasks_exist(tasks, names)
        if forget_sub:
            forgotten = list(tasks_and_deps_iter(tasks, names))
        else:
            groups = [tasks[name] for name in names]
            forgotten = [task for group in groups for task in (group, *subtasks_iter(tasks, group))]
        ours_untold = 0
        lines = self._search_again(forgotten) if named else {}
        for task in forgotten:
            if not named and run_of(task) is not None:
                ours_untold += 1
            else:
                self._tell(lines.get(task.name, f"forgetting {task.name}"))
            self.dep_manager.remove(task.name)
        if ours_untold:
            self._tell(forgetting.memory(ours_untold))
        self.dep_manager.close()

    def _tell(self, line: str) -> None:
        self.outstream.write("".join(f"{row}\n" for row in laid_out(line)))

    def _search_again(self, tasks: Iterable[Any]) -> dict[str, str]:
        """Mark the models of tasks as to be searched again; what to say of these tasks."""
        lines: dict[str, str] = {}
        models: dict[Run, list[Model]] = {}
        for task in tasks:
            run = run_of(task)
            if run is None:
                continue
            planned = run.downloaded_by(task.name)
            if self.dep_manager.status_is_ignore(task):
                lines[task.name] = forgetting.ignored_no_more(task.name)
            elif planned is not None:
                models.setdefault(run, []).append(planned.model)
                lines[task.name] = forgetting.searched_again(task.name)
        for run, of_run in models.items():
            try:
                ledger.search_again(run.project.layout, of_run)
            except OSError as error:
                path = error.filename or run.project.layout.ledger
                raise SetupProblem(Why.OUTPUT_UNUSABLE, path=path, cause=error.strerror) from None
        return lines
