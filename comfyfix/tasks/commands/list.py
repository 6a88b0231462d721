"""The `list` command: the pending models; with doit's own options, doit's own list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from doit.cmd_list import List as DoitList

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.errors import SetupProblem
from comfyfix.screen import listing, notes, refused
from comfyfix.screen.text import clean, fitted
from comfyfix.screen.words import t
from comfyfix.stages.refused import Refusing
from comfyfix.stages.work import Pending
from comfyfix.tasks import inside_doit
from comfyfix.tasks.commands.base import project_heading
from comfyfix.tasks.dodo import of_dodo
from comfyfix.tasks.guard import Guarded
from comfyfix.tasks.running import AS_KEPT, Run, run_of
from comfyfix.why import Why

_DOITS_OWN = ("subtasks", "status", "private", "list_deps", "template")


class List(Guarded, DoitList):  # type: ignore[misc]
    """List the pending models (`--all`: every task, as doit lists them)."""

    doc_purpose = t("list the pending models")
    doc_usage = "[TASK ...]"
    name: ClassVar[str] = "list"

    def execute(self, params: Any, args: list[str]) -> int:
        """Print the pending models from the plan alone, or hand over to doit's own list."""
        if args or any(params[name] for name in _DOITS_OWN):
            result: int = super().execute(params, args)
            return result
        asked = AS_KEPT.set(params["quiet"])
        try:
            self.loader.setup(params)  # reads the dodo, which makes the plan
        finally:
            AS_KEPT.reset(asked)
        runs = of_dodo(self.loader)
        params.update_defaults(self.loader.load_doit_config())
        if not runs:
            raise SetupProblem(Why.DODO_FOREIGN)
        for run in runs:
            notes.unreadable(run.project.plan.unreadable)
        lines = self._names(runs) if params["quiet"] else self._lines(runs, params)
        text = "".join(f"{fitted(clean(line))}\n" for line in lines)
        if text:  # without a buffer, even nothing at all may be too much for a screen
            self.outstream.write(text)
        return 0

    def _names(self, runs: list[Run]) -> Iterator[str]:
        for run in runs:
            yield from (run.task("download", p.task) for p in run.project.plan.pending)
        yield from (name for name, _ in self._users_own())

    def _lines(self, runs: list[Run], params: Any) -> Iterator[str]:
        json = params["backend"] == "json"
        ignored = inside_doit.ignored(Path(params["dep_file"])) if json else set()
        for run in runs:
            yield from project_heading(run.prefix)
            yield from _table(run, ignored)
        yield from listing.others(self._users_own())

    def _users_own(self) -> list[tuple[str, str]]:
        """The tasks of the dodo that are not ours, as doit lists them."""
        if not inside_doit.has_others(self.loader):
            return []
        tasks = self.loader.load_tasks(cmd=self, pos_args=[])
        theirs = [task for task in tasks if run_of(task) is None and not task.subtask_of]
        return sorted((task.name, task.doc) for task in theirs if not task.name.startswith("_"))


def _table(run: Run, ignored: set[str]) -> list[str]:
    plan, folders = run.project.plan, run.project.folders
    refusing = Refusing(run.project.manifest, Lookup(folders))
    values = refused.lines(refusing.of_files(run.project.scanned))
    if not plan.pending:
        return [listing.nothing(len(plan.models) + len(plan.present)), *values]
    from comfyfix.comfyui.store.index import StoreIndex  # where something is absent
    from comfyfix.stages.near import near_misses

    index = StoreIndex(folders.roots(), folders.links)  # walked at the first absent model
    rows = []
    for planned in plan.pending:
        absent = planned.pending is Pending.ABSENT
        near = near_misses(index, folders, planned.model) if absent else ()
        task = run.task("download", planned.task)
        rows.append(listing.Row(planned, task, tuple(near), ignored=task in ignored))
    return [*listing.table(rows), *values]
