"""Preview: what a run would bring, from where, how large, and what the user must do first."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comfyfix.disk.files import human_size
from comfyfix.errors import Problem
from comfyfix.outcomes import USER_ACTS_FIRST
from comfyfix.records import Record
from comfyfix.screen import words
from comfyfix.screen.summary import next_step
from comfyfix.screen.table import aligned
from comfyfix.screen.words import Told, t
from comfyfix.stages.work import Planned

FOUND = "found"


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
    outcome: str = FOUND
    next_step: str = ""

    @property
    def found(self) -> bool:
        """True where a source has it."""
        return self.outcome == FOUND

    @property
    def key(self) -> str:
        """Folder and path, as people name it."""
        return f"{self.folder or '?'}/{self.model}"


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


def preview(answers: Sequence[Answer], store: Path, reserve: int, group: str) -> Preview:
    """Add up the answers; looks at the disk, and changes nothing. `group` is that of the tasks."""
    rows = tuple(_row(answer, group) for answer in answers)
    total = sum(row.size or 0 for row in rows if row.found and not row.linked)
    free = _free(store)
    first = (row.next_step for row in rows if row.outcome in USER_ACTS_FIRST)
    return Preview(
        models=rows,
        total_bytes=total,
        free_bytes=free,
        reserve_bytes=reserve,
        fits=free is None or total + reserve <= free,
        first=tuple(dict.fromkeys(first)),
    )


def _row(answer: Answer, group: str) -> Row:
    planned, record, problem = answer.planned, answer.record, answer.problem
    told = words.told(problem.reason) if problem else Told("")
    return Row(
        number=planned.number,
        model=planned.model.path,
        folder=planned.model.folder,
        task=f"{group}:{planned.task}",
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
        problem=told.what,
        outcome=problem.outcome if problem else FOUND,
        next_step=told.next_step,
    )


def _size(row: Row) -> str:
    if not row.found:
        return f"✗ {row.outcome}"
    return t("linked") if row.linked else human_size(row.size)


def _origin(row: Row, store: Path) -> str:
    if not row.found:
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


def table(view: Preview, store: Path) -> Sequence[str]:
    """Return a row per pending model, under a heading; empty if nothing is pending."""
    rows = [
        (
            f"{row.number:03d}",
            row.key,
            _size(row),
            (t("gated") + ", " if row.gated else "") + (row.licence or "-"),
            _origin(row, store),
        )
        for row in view.models
    ]
    return [*aligned(("NO", "MODEL", "SIZE", "LICENCE", "FROM"), rows)] if rows else []


def advice(view: Preview, store: Path) -> Iterator[str]:
    """Return totals, and what the user must do before a run or instead of one."""
    if not view.models:
        yield t("Nothing is pending: there is nothing to download.")
        return
    yield ""
    yield t(
        "{found} of {count} found, {size:size} to fetch",
        found=sum(row.found for row in view.models),
        count=len(view.models),
        size=view.total_bytes,
    )
    if view.free_bytes is not None:
        yield t(
            "{free:size} free in {store}, {kept:size} of it kept in reserve",
            free=view.free_bytes,
            store=str(store),
            kept=view.reserve_bytes,
        )
    if not view.fits:
        told = t("That does not fit. Next: make room, or set `store:` to another disk")
        yield f"✗ {told}"
    if view.first:
        yield from ("", t("Before a run:"), *(f"  {step}" for step in view.first))
    missing = [row for row in view.models if not row.found and row.outcome not in USER_ACTS_FIRST]
    if missing:
        yield from ("", t("Without a source:"))
    for row in missing:
        yield f"  {row.key}: {row.problem}"
        yield from next_step(row.next_step)
