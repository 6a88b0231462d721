"""The list of pending models; below an absent one, what lies there under nearly its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.disk.files import human_size
from comfyfix.screen import near
from comfyfix.screen.table import aligned
from comfyfix.screen.words import t
from comfyfix.stages.near import NearMiss
from comfyfix.stages.work import Planned

Pending = tuple[Planned, Sequence[NearMiss]]


def nothing(there: int) -> str:
    """Say that no model is pending."""
    return t("Nothing is pending: all {count} needed models are present.", count=there)


def table(pending: Sequence[Pending]) -> Iterator[str]:
    """Return a row per pending model, under a heading."""
    heading, *rows = aligned(
        ("NO", "TASK", "FOLDER", "SIZE", "WHY", "NEEDED BY"), [_row(item) for item, _ in pending]
    )
    yield heading
    for (_, misses), row in zip(pending, rows, strict=True):
        yield row
        yield from (f"     {near.line(miss)}" for miss in misses)


def _row(planned: Planned) -> tuple[str, ...]:
    first, *others = planned.workflows
    more = t("{first} and {count} more", first=first, count=len(others)) if others else first
    return (
        f"{planned.number:03d}" if planned.reserved else f"({planned.number:03d})",
        f"download:{planned.task}",
        planned.model.folder or "?",
        human_size(planned.record.size) if planned.record else "?",
        planned.pending or "",
        more,
    )
