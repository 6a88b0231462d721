"""The `list` command: the pending models; with doit's own options, doit's own list."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.cmd_list import List as DoitList
from doit.exceptions import InvalidDodoFile

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.disk.files import human_size, printable
from comfyfix.screen import words
from comfyfix.screen.text import clean, fitted, warn
from comfyfix.stages.near import near_misses, told
from comfyfix.stages.work import Pending, Plan, Planned
from comfyfix.tasks.build import current, unwritten
from comfyfix.tasks.guard import Guarded

_DOITS_OWN = ("subtasks", "status", "private", "list_deps", "template")


class List(Guarded, DoitList):  # type: ignore[misc]
    """List the pending models (`--all`: every task, as doit lists them)."""

    doc_purpose = "list the pending models"
    doc_usage = "[TASK ...]"
    name: ClassVar[str] = "list"

    def execute(self, params: Any, args: list[str]) -> int:
        """Print the pending models from the plan alone, or hand over to doit's own list."""
        if args or any(params[name] for name in _DOITS_OWN):
            result: int = super().execute(params, args)
            return result
        self.loader.setup(params)  # reads the dodo, which makes the plan
        build = current()
        if build is None:
            raise InvalidDodoFile("this dodo.py does not load comfyfix's tasks")
        problem = unwritten(build)
        if problem is not None:
            warn(f"! {problem}")
        for file in build.plan.unreadable:
            warn(f"! {file.path} can't be read: {words.sentence(file.problem or '')}")
        lines = names(build.plan) if params["quiet"] else table(build.plan, build.folders)
        self.outstream.write("".join(f"{fitted(clean(line))}\n" for line in lines))
        return 0


def names(plan: Plan) -> list[str]:
    """The task names of the pending models."""
    return [f"download:{planned.task}" for planned in plan.pending]


def table(plan: Plan, folders: Folders) -> list[str]:
    """The pending models as a table; below an absent one, what lies there under nearly its name."""
    if not plan.pending:
        there = len(plan.models) + len(plan.present)
        return [f"Nothing is pending: all {there} needed models are present."]
    rows = [("NO", "TASK", "FOLDER", "SIZE", "WHY", "NEEDED BY")]
    rows += [_row(planned) for planned in plan.pending]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    heading, *lines = (
        "  ".join(
            [*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()
        for row in rows
    )
    index = StoreIndex(folders.roots())  # walked at the first absent model
    result = [heading]
    for planned, line in zip(plan.pending, lines, strict=True):
        near = (
            near_misses(index, folders, planned.model) if planned.pending is Pending.ABSENT else ()
        )
        result += [line, *(f"     {printable(told(miss), 400)}" for miss in near)]
    return result


def _row(planned: Planned) -> tuple[str, str, str, str, str, str]:
    workflows = planned.workflows
    more = f" and {len(workflows) - 1} more" if len(workflows) > 1 else ""
    return (
        f"{planned.number:03d}",
        f"download:{planned.task}",
        planned.model.folder or "?",
        human_size(planned.record.size) if planned.record else "?",
        planned.pending or "",
        workflows[0] + more,
    )
