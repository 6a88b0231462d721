"""Preview: what a run would bring, from where, how large, and what the user must do first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comfyfix.disk.files import human_size, regular_stat
from comfyfix.disk.room import disk_of
from comfyfix.errors import ModelProblem, Problem
from comfyfix.outcomes import GATES, USER_ACTS_FIRST
from comfyfix.records import Reason, Record
from comfyfix.screen import words
from comfyfix.screen.grouped import next_step
from comfyfix.screen.run import summary
from comfyfix.screen.table import Column
from comfyfix.screen.table import table as in_columns
from comfyfix.screen.words import Wording, t
from comfyfix.stages.needs.work import Planned

FOUND = "found"
SEARCHING = "searching"
_COLUMNS = (
    Column("NO"),
    Column("MODEL", share=5, least=20),
    Column("SIZE"),
    Column("LICENCE", share=2, spare=2),
    Column("FROM", share=3, spare=1),
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One pending model. `size` in bytes; publisher, licence and base model as the provider tells.

    Those three are empty where it does not. `near` is the file of this machine that it is copied
    from, if it proves to be the same.
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
    near: str = ""
    problem: str = ""
    outcome: str = FOUND
    next_step: str = ""
    files: int = 1
    there_bytes: int = 0

    @property
    def found(self) -> bool:
        """True where a source has it."""
        return self.outcome == FOUND

    @property
    def behind_a_gate(self) -> bool:
        """True where a source has it, and does not give it to this user yet."""
        return self.outcome in GATES

    @property
    def key(self) -> str:
        """Folder and path, as people name it."""
        return f"{self.folder or '?'}/{self.model}"


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The whole dry run. Bytes everywhere; `first` is what the user must do before a run.

    `gated_bytes` are those of models that a source has and does not give to this user yet; they
    are not in `total_bytes`, nor are `near_bytes`, of what is copied from files near by.
    """

    version: int = 1
    models: tuple[Row, ...]
    total_bytes: int
    gated_bytes: int = 0
    near_bytes: int = 0
    free_bytes: int | None
    reserve_bytes: int
    fits: bool
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search said of one model: a record, or a problem.

    `unsettled` while it goes on, or waits for the user to agree; a problem may be known already.
    """

    planned: Planned
    record: Record | None = None
    problem: Problem | None = None
    near: str = ""
    unsettled: bool = False


def preview(answers: Sequence[Answer], store: Path, reserve: int, group: str) -> Preview:
    """Add up the answers; looks at the disk, and changes nothing. `group` is that of the tasks."""
    rows = tuple(_row(answer, group) for answer in answers)
    brought = [row for row in rows if row.found and not row.linked]
    total = sum((row.size or 0) - row.there_bytes for row in brought if not row.near)
    near = sum(row.size or 0 for row in brought if row.near)
    disk = disk_of(store)
    free = disk.free if disk else None
    first = (row.next_step for row in rows if row.outcome in USER_ACTS_FIRST)
    return Preview(
        models=rows,
        total_bytes=total,
        gated_bytes=sum(row.size or 0 for row in rows if row.behind_a_gate),
        near_bytes=near,
        free_bytes=free,
        reserve_bytes=reserve,
        fits=free is None or total + near + reserve <= free,
        first=tuple(dict.fromkeys(first)),
    )


def _row(answer: Answer, group: str) -> Row:
    planned, record, problem = answer.planned, answer.record, answer.problem
    wording = words.worded(problem.reason) if problem else Wording("")
    row = Row(
        number=planned.number,
        model=planned.model.path,
        folder=planned.model.folder,
        task=f"{group}:{planned.task}",
        near=answer.near,
        problem=wording.what,
        outcome=problem.outcome if problem else SEARCHING if answer.unsettled else FOUND,
        next_step=wording.next_step,
    )
    behind = problem.behind if isinstance(problem, ModelProblem) else None
    source = record or behind
    if source is None:
        return row
    return msgspec.structs.replace(
        row,
        source=source.source,
        where=source.where,
        url=source.url,
        size=source.size,
        sha256=source.sha256,
        gated=source.gated,
        publisher=source.publisher,
        licence=source.licence,
        base_model=source.base_model,
        linked=bool(record and record.local and not record.lent),
        files=max(1, len(source.files)),
        there_bytes=_bytes_there(record) if record else 0,
    )


def _bytes_there(record: Record) -> int:
    """Bytes of the files of a directory or a set that lie in their places."""
    if not record.files:
        return 0
    return sum(m.size or 0 for m in record.members if regular_stat(m.destination))


def _size(row: Row) -> str:
    if row.outcome == SEARCHING:
        return t("not known yet")
    if not row.found:
        size = f", {human_size(row.size)}" if row.size else ""
        return f"✗ {row.outcome}{size}"
    size = t("linked") if row.linked else human_size(row.size)
    return t("{size} in {count} files", size=size, count=row.files) if row.files > 1 else size


def _origin(row: Row, store: Path) -> str:
    if not row.source:
        return "-"
    return f"{row.source}: {row.where.removeprefix(f'{store}/')}"


def table(view: Preview, store: Path, room: int | None) -> Sequence[str]:
    """Return a row per pending model, under a heading; empty if nothing is pending.

    See `screen.table` for `room`.
    """
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
    return [*in_columns(_COLUMNS, rows, room)] if rows else []


def advice(view: Preview, store: Path, cut_off: Sequence[tuple[str, Reason]] = ()) -> Iterator[str]:
    """Return totals, and what the user must do before a run or instead of one.

    `cut_off` are models that could not be asked for, with the reason.
    """
    if not view.models:
        yield t("Nothing is pending: there is nothing to download.")
        return
    yield from _totals(view, store)
    if not view.fits:
        yield t("✗ That does not fit. Next: make room, or set `store:` to another disk")
    yield from _gates([row for row in view.models if row.behind_a_gate], view.gated_bytes)
    yield from summary.unreachable(cut_off)
    unasked = {key for key, _ in cut_off}
    missing = [
        row
        for row in view.models
        if not (row.found or row.behind_a_gate or row.outcome == SEARCHING)
    ]
    yield from _without_source([row for row in missing if row.key not in unasked])


def _totals(view: Preview, store: Path) -> Iterator[str]:
    yield ""
    yield t(
        "{found} of {count} found, {size:size} to fetch",
        found=sum(row.found for row in view.models),
        count=len(view.models),
        size=view.total_bytes,
    )
    if view.near_bytes:
        yield t(
            "{size:size} of others to copy from files of yours, which are hashed first",
            size=view.near_bytes,
        )
    if view.free_bytes is not None:
        yield t(
            "{free:size} free in {store}, {kept:size} of it kept in reserve",
            free=view.free_bytes,
            store=str(store),
            kept=view.reserve_bytes,
        )


def _without_source(rows: Sequence[Row]) -> Iterator[str]:
    if rows:
        yield from ("", t("Without a source:"))
    for row in rows:
        yield f"  {row.key}: {row.problem}"
        yield from next_step(row.next_step)


def _gates(rows: Sequence[Row], size: int) -> Iterator[str]:
    """Tell what is behind gates; what opens several of them is told once."""
    if not rows:
        return
    yield ""
    yield t("Access needed first ({size:size}):", size=size) if size else summary.access_needed()
    for step in dict.fromkeys(row.next_step for row in rows):
        for row in rows:
            if row.next_step == step:
                amount = f" ({human_size(row.size)})" if row.size else ""
                yield f"  {row.key}{amount}: {row.problem}"
        yield from next_step(step)
