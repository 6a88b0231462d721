"""Preview: what a run would bring, from where, how large, and what the user must do first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comfyfix.disk.files import human_size
from comfyfix.errors import Problem
from comfyfix.outcomes import USER_ACTS_FIRST
from comfyfix.records import Record
from comfyfix.stages.work import Planned


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One pending model. `size` in bytes; publisher, licence and base model as the provider tells.

    Those three are empty where it does not.
    """

    number: int
    model: str
    folder: str | None
    task: str
    source: str = ""
    where: str = ""
    url: str = ""
    size: int | None = None
    sha256: str | None = None
    gated: bool = False
    publisher: str = ""
    licence: str = ""
    base_model: str = ""
    linked: bool = False
    problem: str = ""
    outcome: str = "found"
    next_step: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The whole dry run. Bytes everywhere; `first` is what the user must do before a run."""

    version: int = 1
    models: tuple[Row, ...]
    total_bytes: int
    free_bytes: int | None
    reserve_bytes: int
    fits: bool
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search said of one model: a record, or a problem."""

    planned: Planned
    record: Record | None = None
    problem: Problem | None = None


def preview(answers: Sequence[Answer], store: Path, reserve: int) -> Preview:
    """Add up the answers; looks at the disk, and changes nothing."""
    rows = tuple(_row(answer) for answer in answers)
    total = sum(row.size or 0 for row in rows if not row.linked and not row.problem)
    free = _free(store)
    blocked = [a.problem for a in answers if a.problem and a.problem.outcome in USER_ACTS_FIRST]
    return Preview(
        models=rows,
        total_bytes=total,
        free_bytes=free,
        reserve_bytes=reserve,
        fits=free is None or total + reserve <= free,
        first=tuple(dict.fromkeys(problem.next_step for problem in blocked)),
    )


def _row(answer: Answer) -> Row:
    planned, record, problem = answer.planned, answer.record, answer.problem
    return Row(
        number=planned.number,
        model=planned.model.path,
        folder=planned.model.folder,
        task=f"download:{planned.task}",
        source=record.source if record else "",
        where=record.where if record else "",
        url=record.url if record else "",
        size=record.size if record else None,
        sha256=record.sha256 if record else None,
        gated=bool(record and record.gated),
        publisher=record.publisher if record else "",
        licence=record.licence if record else "",
        base_model=record.base_model if record else "",
        linked=bool(record and record.local),
        problem=problem.what if problem else "",
        outcome=problem.outcome if problem else "found",
        next_step=problem.next_step if problem else "",
    )


def _size(row: Row) -> str:
    if row.problem:
        return f"✗ {row.outcome}"
    return "linked" if row.linked else human_size(row.size)


def _origin(row: Row, store: Path) -> str:
    if row.problem:
        return "-"
    return f"{row.source}: {row.where.removeprefix(f'{store}/')}"


def _free(store: Path) -> int | None:
    """Bytes that may be written where the store is, or will be."""
    place = store
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        info = os.statvfs(place)
    except OSError:
        return None
    return info.f_bavail * info.f_frsize


def table(view: Preview, store: Path) -> list[str]:
    """Return a row per pending model, under a heading; empty if nothing is pending."""
    if not view.models:
        return []
    rows = [("NO", "MODEL", "SIZE", "LICENCE", "FROM")]
    rows += [
        (
            f"{row.number:03d}",
            f"{row.folder or '?'}/{row.model}",
            _size(row),
            ("gated, " if row.gated else "") + (row.licence or "-"),
            _origin(row, store),
        )
        for row in view.models
    ]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]


def advice(view: Preview, store: Path) -> list[str]:
    """Return totals, and what the user must do before a run or instead of one."""
    if not view.models:
        return ["Nothing is pending: there is nothing to download."]
    found = sum(not row.problem for row in view.models)
    lines = ["", f"{found} of {len(view.models)} found, {human_size(view.total_bytes)} to fetch"]
    if view.free_bytes is not None:
        kept = human_size(view.reserve_bytes)
        lines.append(f"{human_size(view.free_bytes)} free in {store}, {kept} of it kept in reserve")
    if not view.fits:
        lines.append("✗ That does not fit. Next: make room, or set `store:` to another disk")
    if view.first:
        lines += ["", "Before a run:", *(f"  {step}" for step in view.first)]
    missing = [row for row in view.models if row.problem and row.next_step not in view.first]
    if missing:
        lines += ["", "Without a source:"]
    for row in missing:
        lines.append(f"  {row.folder or '?'}/{row.model}: {row.problem}")
        lines.append(f"    Next: {row.next_step}")
    return lines
