"""The `list` command: the pending models; with doit's own options, doit's own list."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.cmd_list import List as DoitList

from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.errors import SetupProblem
from comfyfix.screen import listing, notes
from comfyfix.screen.text import clean, fitted
from comfyfix.screen.words import t
from comfyfix.stages.near import near_misses
from comfyfix.stages.work import Pending
from comfyfix.tasks.guard import Guarded
from comfyfix.tasks.running import Run, of_dodo
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
        self.loader.setup(params)  # reads the dodo, which makes the plan
        run = of_dodo(self.loader)
        if run is None:
            raise SetupProblem(Why.DODO_FOREIGN)
        notes.unreadable(run.project.plan.unreadable)
        if params["quiet"]:
            lines = [f"download:{planned.task}" for planned in run.project.plan.pending]
        else:
            lines = _table(run)
        self.outstream.write("".join(f"{fitted(clean(line))}\n" for line in lines))
        return 0


def _table(run: Run) -> list[str]:
    plan, folders = run.project.plan, run.project.folders
    if not plan.pending:
        return [listing.nothing(len(plan.models) + len(plan.present))]
    index = StoreIndex(folders.roots())  # walked at the first absent model
    rows = [
        (p, near_misses(index, folders, p.model) if p.pending is Pending.ABSENT else ())
        for p in plan.pending
    ]
    return [*listing.table(rows)]
