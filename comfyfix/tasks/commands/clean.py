"""The `clean` command: our caches, and what stopped downloads have left; never a model.

The user's own tasks are cleaned as doit cleans them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from doit.cmd_clean import Clean as DoitClean

from comfyfix.records import Model
from comfyfix.screen.commands import cleaning
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.tasks.commands.doits_own import Buffered
from comfyfix.tasks.face.marks import PRESENT
from comfyfix.tasks.face.owned import run_of, runs_of
from comfyfix.tasks.run import clearing
from comfyfix.tasks.run.names import tasks_meant
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.selection import everywhere


class Clean(Buffered, DoitClean):  # type: ignore[misc]
    """Remove what comes again by itself."""

    doc_purpose = t("remove caches and what stopped downloads have left; never a model")
    doc_usage = "[TASK ...]"
    doc_description = t(
        "Of comfyfix: the caches in `output/.cache`, and what downloads that were killed have left "
        "beside their models; of a model that is named, the latter alone. Models, records, scripts "
        "and the ledger stay. Of your own tasks: what doit cleans. Without TASK the default tasks "
        "are cleaned, with all that they depend on."
    )
    name: ClassVar[str] = "clean"
    _whole = True

    def _execute(
        self,
        dryrun: bool,
        cleandep: bool,
        cleanall: bool,
        cleanforget: bool,
        pos_args: list[str] | None = None,
    ) -> None:
        tasks = {task.name: task for task in self.task_list}
        names = tasks_meant(tasks, pos_args or [])
        self._whole = cleanall or not names
        self.sel_tasks: list[str] | None = everywhere(self.sel_tasks, self.task_list)
        super()._execute(dryrun, cleandep, cleanall, cleanforget, names)

    def clean_tasks(self, tasks: Sequence[Any], dryrun: bool, cleanforget: bool) -> None:
        """Clean ours in our way, and the others in doit's."""
        ours = [task for task in tasks if run_of(task) is not None]
        for run in runs_of(ours):
            names = {task.name for task in ours if run_of(task) is run}
            self._clean(run, names, dryrun=dryrun)
        for task in ours if cleanforget and not dryrun else ():
            self.dep_manager.remove(task.name)
        super().clean_tasks([task for task in tasks if run_of(task) is None], dryrun, cleanforget)

    def _clean(self, run: Run, names: set[str], *, dryrun: bool) -> None:
        models = _models(run, names, whole=self._whole)
        files = clearing.abandoned(models) + (clearing.caches(run) if self._whole else [])
        if not dryrun:
            files = clearing.remove(run, models, files)
        lines = cleaning.lines(files, project=run.prefix, dryrun=dryrun)
        self.outstream.write("".join(f"{line}\n" for line in lines))


def _models(run: Run, names: set[str], *, whole: bool) -> list[tuple[Model, str]]:
    """The models of some tasks, and where they lie or will lie."""
    plan = run.project.plan
    items: list[Planned | Present] = [
        p for p in plan.models if whole or run.task("download", p.task) in names
    ]
    if whole or run.task("verify", PRESENT) in names:
        items += plan.present
    return [place for item in items for place in clearing.places_of(item)]
