"""The `list` command: the pending models; with doit's own options, doit's own list."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from doit.cmd_list import List as DoitList

from comfyfix.files import human_size
from comfyfix.stages.plan import Plan, Planned
from comfyfix.tasks.build import current


class List(DoitList):  # type: ignore[misc]
    """List the pending models (`--all`: every task, as doit lists them)."""

    doc_purpose = "list the pending models"
    doc_usage = "[TASK ...]"
    name: ClassVar[str] = "list"

    def _execute(
        self,
        subtasks: bool = False,
        quiet: bool = False,
        status: bool = False,
        private: bool = False,
        list_deps: bool = False,
        template: str | None = None,
        sort: str = "name",
        pos_args: Any = None,
    ) -> int:
        build = current()
        own = not (subtasks or status or private or list_deps or template or pos_args)
        if build is None or not own:
            result: int = super()._execute(
                subtasks, quiet, status, private, list_deps, template, sort, pos_args
            )
            return result
        for file in build.plan.unreadable:
            print(f"! {file.path} can't be read: {file.problem}", file=sys.stderr)  # noqa: T201
        lines = names(build.plan) if quiet else table(build.plan)
        self.outstream.write("".join(f"{line}\n" for line in lines))
        return 0


def names(plan: Plan) -> list[str]:
    """The task names of the pending models."""
    return [f"download:{planned.task}" for planned in plan.pending]


def table(plan: Plan) -> list[str]:
    """The pending models as a table."""
    if not plan.pending:
        there = len(plan.models) + len(plan.present)
        return [f"Nothing is pending: all {there} needed models are present."]
    rows = [("NO", "TASK", "FOLDER", "SIZE", "WHY", "NEEDED BY")]
    rows += [_row(planned) for planned in plan.pending]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return [
        "  ".join(
            [*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()
        for row in rows
    ]


def _row(planned: Planned) -> tuple[str, str, str, str, str, str]:
    workflows = planned.workflows
    more = f" and {len(workflows) - 1} more" if len(workflows) > 1 else ""
    return (
        f"{planned.number:03d}",
        f"download:{planned.task}",
        planned.model.folder or "?",
        human_size(planned.record.size) if planned.record else "?",
        planned.pending,
        workflows[0] + more,
    )
