"""The list of pending models; below an absent one, what lies there under nearly its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfyfix.disk.files import human_size
from comfyfix.screen import summary, words
from comfyfix.screen.table import aligned
from comfyfix.screen.words import t

if TYPE_CHECKING:
    from comfyfix.stages.near import NearMiss
    from comfyfix.stages.refused import Refusal
    from comfyfix.stages.scan import ScannedFile
    from comfyfix.stages.work import Planned


@dataclass(frozen=True, slots=True)
class Row:
    """A pending model, its task, what lies there under nearly its name; the user may ignore it."""

    planned: Planned
    task: str
    near: tuple[NearMiss, ...] = ()
    ignored: bool = False


def nothing(there: int) -> str:
    """Say that no model is pending."""
    return t("Nothing is pending: all {count} needed models are present.", count=there)


def table(pending: Sequence[Row]) -> Iterator[str]:
    """Return a row per pending model, under a heading."""
    from comfyfix.screen import near  # where something is absent

    heading, *rows = aligned(
        ("NO", "TASK", "FOLDER", "SIZE", "WHY", "NEEDED BY"), [_cells(row) for row in pending]
    )
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
    from comfyfix.screen.sheets import place  # for programs alone

    return {
        "version": 1,
        "pending": [_row(row) for row in rows],
        "refused": [{**place(one.reference), "instead": one.instead} for one in refusals],
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
        "reason": words.problem(planned.problem) if planned.problem else "",
        "workflows": planned.workflows,
        "near": [{"kind": miss.kind, "path": miss.path, "shown": miss.shown} for miss in row.near],
        "ignored": row.ignored,
    }


def others(tasks: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Return the tasks of the user's own, with what they are for."""
    if tasks:
        width = max(len(name) for name, _ in tasks)
        yield ""
        yield t("Your own tasks:")
        yield from (f"  {name:{width}}   {doc}".rstrip() for name, doc in tasks)


def _cells(row: Row) -> tuple[str, ...]:
    planned = row.planned
    first, *rest = planned.workflows
    more = t("{first} and {count} more", first=first, count=len(rest)) if rest else first
    return (
        f"{planned.number:03d}" if planned.reserved else f"({planned.number:03d})",
        row.task,
        planned.model.folder or "?",
        human_size(planned.record.size) if planned.record else "?",
        planned.pending or "",
        more,
    )
