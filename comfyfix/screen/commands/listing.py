"""The list of pending models; below an absent one, what lies there under nearly its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfyfix.disk.files import human_size
from comfyfix.screen import words
from comfyfix.screen.run import summary
from comfyfix.screen.table import Column, lines_of
from comfyfix.screen.table import table as in_columns
from comfyfix.screen.words import t

if TYPE_CHECKING:
    from comfyfix.stages.needs.scan import ScannedFile
    from comfyfix.stages.needs.work import Planned
    from comfyfix.stages.values.near import NearMiss
    from comfyfix.stages.values.refused import Refusal

_COLUMNS = (
    Column("NO"),
    Column("TASK", share=5, least=20),
    Column("FOLDER", share=3, spare=1),
    Column("SIZE", spare=2),
    Column("WHY"),
    Column("NEEDED BY", share=2, spare=3),
)
_TASK_COLUMNS = (Column("", share=1), Column("", share=1))
BETWEEN = "\x1f"
"""What doit's own list is asked to put between its columns: no name can hold it."""
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A pending model, its task, what lies there under nearly its name; the user may ignore it."""

    planned: Planned
    task: str
    near: tuple[NearMiss, ...] = ()
    ignored: bool = False


def nothing_pending(present: int) -> str:
    """Say that no model is pending."""
    return t("Nothing is pending: all {count} needed models are present.", count=present)


def table(pending: Sequence[Row], room: int | None) -> Iterator[str]:
    """Return a row per pending model, under a heading; see `screen.table` for `room`."""
    from comfyfix.screen import near  # where something is absent

    heading, *rows = in_columns(_COLUMNS, [_cells(row) for row in pending], room)
    yield heading
    for row, line in zip(pending, rows, strict=True):
        yield line
        yield from (f"     {near.line(miss)}" for miss in row.near)
        if row.ignored:
            yield f"     {summary.ignored(row.task)}"


def as_data(
    rows: Sequence[Row], refusals: Sequence[Refusal], unreadable: Sequence[ScannedFile]
) -> dict[str, Any]:
    """The same for programs."""
    from comfyfix.screen.commands.sheets import place  # for programs alone

    return {
        "version": 1,
        "pending": [_row(row) for row in rows],
        "refused": [{**place(r.reference), "instead": r.instead} for r in refusals],
        "unreadable": [
            {"workflow": file.workflow, "reason": words.sentence(file.problem or "")}
            for file in unreadable
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    planned = row.planned
    return {
        "number": planned.number if planned.reserved else None,
        "task": row.task,
        "model": planned.model.key,
        "folder": planned.model.folder,
        "path": planned.model.path,
        "size": planned.record.size if planned.record else None,
        "why": planned.pending or "",
        "last": planned.status,
        "reason": _reason(planned),
        "workflows": planned.workflows,
        "near": [{"kind": miss.kind, "path": miss.path, "shown": miss.shown} for miss in row.near],
        "ignored": row.ignored,
    }


def _reason(planned: Planned) -> str:
    if planned.problem:
        return words.problem(planned.problem)
    last = planned.last
    return words.sentence(last.reason or "") if last and planned.status == last.outcome else ""


def own_tasks(tasks: Sequence[tuple[str, str]], room: int | None) -> Iterator[str]:
    """Return the tasks of the user's own, with what they are for."""
    if tasks:
        yield ""
        yield t("Your own tasks:")
        left = None if room is None else room - _INDENT
        yield from (" " * _INDENT + line for line in lines_of(_TASK_COLUMNS, tasks, left))


def of_doit(lines: Sequence[str], room: int | None) -> Iterator[str]:
    """Return the lines of doit's own list, whose columns are parted by `BETWEEN`."""
    rows = [line.split(BETWEEN, 1) for line in lines]
    tasks = lines_of(_TASK_COLUMNS, [row for row in rows if len(row) > 1], room)
    for row in rows:
        yield next(tasks) if len(row) > 1 else row[0]


def _cells(row: Row) -> tuple[str, ...]:
    planned = row.planned
    first, *others = planned.workflows
    needed_by = t("{first} and {count} more", first=first, count=len(others)) if others else first
    return (
        f"{planned.number:03d}" if planned.reserved else f"({planned.number:03d})",
        row.task,
        planned.model.folder or "?",
        human_size(planned.record.size) if planned.record else "?",
        planned.status,
        needed_by,
    )
