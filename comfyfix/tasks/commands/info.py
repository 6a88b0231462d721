"""The `info` command: what doit knows of a task, and why it would run, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from doit.cmd_info import Info as DoitInfo

from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import helping
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned
from comfyfix.tasks.face.guard import Guarded
from comfyfix.tasks.face.marks import MARK
from comfyfix.tasks.face.nearest import unknown
from comfyfix.tasks.face.owned import run_of
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.selection import reached_by
from comfyfix.why import Why


class Info(Guarded, DoitInfo):  # type: ignore[misc]
    """Show what doit knows of one task."""

    doc_purpose = t("show what a task makes, and why it would run")
    name: ClassVar[str] = "info"
    _reasons: str | None = None
    """Why a task of ours would run, in our words."""

    def _execute(self, pos_args: list[str], hide_status: bool) -> int:
        if len(pos_args) != 1:
            raise SetupProblem(Why.INFO_NEEDS_NAME)
        tasks = {task.name: task for task in self.task_list}
        task = tasks.get(pos_args[0])
        if task is None:
            raise unknown(pos_args[0], tasks)
        run = run_of(task)
        if run is not None:
            self._reasons = "\n".join(self._status(run, task, tasks))
            task.meta = {name: value for name, value in task.meta.items() if name != MARK}
        result: int = super()._execute(pos_args, hide_status)
        return result

    def _status(self, run: Run, task: Any, tasks: dict[str, Any]) -> Iterator[str]:
        models = {run.task("download", p.task): p for p in run.project.plan.models}
        reached = {depended_on.name for depended_on in reached_by(tasks, [task.name])}
        members: list[Planned] = [models[name] for name in reached if name in models]
        pending = sum(bool(planned.pending) for planned in members)
        ignored = task.name if self.dep_manager.status_is_ignore(task) else ""
        return helping.status(models.get(task.name), len(members), pending, ignored=ignored)

    def get_reasons(self, reasons: Any) -> str:
        """Tell why a task is not up to date: of ours, what the plan says."""
        return super().get_reasons(reasons) if self._reasons is None else self._reasons
