"""What lies in a store, and what of it has gone to its trash."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from comfyfix.disk.files import human_size
from comfyfix.disk.trash_note import Entry
from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.grouped import stays
from comfyfix.screen.table import Column, table
from comfyfix.screen.words import t
from comfyfix.stages.store.gc import Unit

_DAY = 86400
_TRASH_SHOWN = 50
Done = Literal["shown", "moved", "purged", "restored"]


@dataclass(slots=True)
class Collected:
    """What `gc` has found and done in one project.

    `others` counts what nobody needs either and it did not fetch; `workflows` those that were read.
    """

    did: Done
    chosen: Sequence[Unit] = ()
    moved: list[tuple[str, int]] = field(default_factory=list)
    left: list[tuple[str, Reason]] = field(default_factory=list)
    refused: Sequence[Reason] = ()
    trash: Sequence[Entry] = ()
    others: int = 0
    workflows: int = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """What a store holds: its units, the sha256 of files by path, and whose content is known."""

    units: Sequence[Unit]
    hashes: Mapping[str, str]
    contents: Mapping[str, Reason]

    def digest(self, unit: Unit) -> str:
        """What tells the content of a unit from others; empty where that is not known of all."""
        found = [self.hashes.get(path, "") for path in unit.files]
        return " ".join(sorted(found)) if all(found) else ""

    def origin(self, unit: Unit) -> Reason | None:
        """Who has published a file of this content, where it was not fetched."""
        return self.contents.get(self.digest(unit))


@dataclass(slots=True)
class _Sum:
    files: int = 0
    size: int = 0
    needed: int = 0
    idle: int = 0
    fetched: int = 0
    unknown: int = 0
    twice: int = 0


def _sums(held: Holding) -> dict[str, _Sum]:
    """By folder key, and below the empty one of all: each file counted once."""
    made: dict[str, _Sum] = defaultdict(_Sum)
    seen: set[object] = set()
    digests: Counter[str] = Counter()
    for unit in held.units:
        fresh = [path for path, identity in unit.files.items() if identity not in seen]
        seen.update(unit.files.values())
        digest = held.digest(unit)
        known = unit.fetched or held.origin(unit) is not None
        digests[digest] += bool(digest and fresh)
        for one in (made[unit.model.folder or "?"], made[""]):
            one.files += len(unit.files)
            size = unit.size if fresh else 0
            one.size += size
            one.needed += size if unit.needed else 0
            one.idle += 0 if unit.needed else size
            one.fetched += 0 if unit.needed or not unit.fetched else size
            one.unknown += 0 if known else size
            one.twice += size if digest and digests[digest] > 1 else 0
    return made


_COLUMNS = (
    Column("FOLDER", 2), Column("FILES"), Column("SIZE"), Column("NEEDED"), Column("NOT NEEDED"),
    Column("OF IT FETCHED", spare=2), Column("TWICE", spare=1), Column("UNKNOWN ORIGIN", spare=3),
)  # fmt: skip


def folders(held: Holding, room: int | None) -> Iterator[str]:
    """A line for each folder, and one for all."""
    if not held.units:
        yield t("No model file lies in the model folders.")
        return
    sums = _sums(held)
    total = sums.pop("", _Sum())
    rows = [*sorted(sums.items()), (t("all"), total)]
    yield from table(_COLUMNS, [_row(name, one) for name, one in rows], room)
    if total.idle:
        yield t("`doit gc` shows what of it could go, `doit store --all` each file.")


def _row(name: str, one: _Sum) -> tuple[str, ...]:
    sizes = (one.size, one.needed, one.idle, one.fetched, one.twice, one.unknown)
    return (name, str(one.files), *(human_size(size) for size in sizes))


def files(held: Holding, room: int | None) -> Iterator[str]:
    """A line for each file, set or directory."""
    columns = (
        Column("MODEL", 3), Column("SIZE"), Column("LAST USED", spare=2), Column("ORIGIN", spare=1),
        Column("NEEDED BY", 2),
    )  # fmt: skip
    rows = [
        (
            unit.model.key, human_size(unit.size), unit.last_used[:10] or "-",
            _origin(held, unit), ", ".join(unit.needed) or "-",
        )
        for unit in held.units
    ]  # fmt: skip
    yield from table(columns, rows, room)


def as_data(held: Holding, doubts: Sequence[Reason]) -> dict[str, Any]:
    """The same for programs."""
    sums = _sums(held)
    total = sums.pop("", _Sum())
    return {
        "folders": [{"folder": name, **_sum_data(one)} for name, one in sorted(sums.items())],
        "all": _sum_data(total),
        "doubts": [_reason(doubt) for doubt in doubts],
        "files": [_held_data(held, unit) for unit in held.units],
    }


def _origin(held: Holding, unit: Unit) -> str:
    if unit.fetched:
        return t("fetched")
    return t("known by its hash") if held.origin(unit) else t("unknown")


def _sum_data(one: _Sum) -> dict[str, int]:
    return {
        "files": one.files, "bytes": one.size, "needed": one.needed, "not_needed": one.idle,
        "not_needed_fetched": one.fetched, "duplicates": one.twice, "unknown_origin": one.unknown,
    }  # fmt: skip


def _held_data(held: Holding, unit: Unit) -> dict[str, Any]:
    origin = held.origin(unit)
    digest = held.digest(unit) if len(unit.files) == 1 else ""
    return {
        **_unit_data(unit), "sha256": digest or None,
        "origin": words.sentence(origin) if origin else None,
    }  # fmt: skip


def _unit_data(unit: Unit) -> dict[str, Any]:
    return {
        "model": unit.model.key, "path": unit.path, "files": len(unit.files), "bytes": unit.size,
        "fetched": unit.fetched, "needed_by": list(unit.needed), "last_used": unit.last_used,
        "stays": _reason(unit.reason) if unit.reason else None,
    }  # fmt: skip


def _reason(reason: Reason) -> dict[str, str]:
    return {"why": reason.why, "message": words.sentence(reason)}


def collected(made: Collected, room: int | None) -> Iterator[str]:
    """What `gc` has found and done."""
    for reason in made.refused:
        told = words.told(reason)
        yield f"✗ {words.sentence(reason)}"
        yield f"  {t('Next: {step}', step=told.next_step)}"
    if made.refused:
        yield t("Nothing was moved: what is needed can't be told.")
        return
    if made.did == "shown":
        yield from _shown(made, room)
    for model, reason in made.left:
        yield from stays(model, reason)
    if made.did != "shown":
        size = sum(size for _, size in made.moved)
        yield t(_DONE[made.did], count=len(made.moved), size=size)
    if made.trash:
        yield from _trash(made.trash, room) if made.did == "shown" else ()
        size = sum(entry.size for entry in made.trash)
        yield t("In the trash: {count:models}, {size:size}.", count=len(made.trash), size=size)
        yield t("`doit gc --restore` puts it back, `doit gc --purge` removes it for good.")


def _trash(entries: Sequence[Entry], room: int | None) -> Iterator[str]:
    """What lies in the trash, newest first: `--restore` takes these names."""
    columns = (Column("IN THE TRASH", 1), Column("SIZE"), Column("SINCE", spare=1))
    newest = sorted(entries, key=lambda entry: entry.at, reverse=True)
    rows = [(e.model, human_size(e.size), e.at[:10]) for e in newest[:_TRASH_SHOWN]]
    yield from table(columns, rows, room)
    if more := len(newest[_TRASH_SHOWN:]):
        yield t("and {count} more; `--json` tells all", count=more)


_DONE: dict[Done, str] = {
    "moved": "Moved to the trash: {count:models}, {size:size}.",
    "purged": "Removed for good: {count:models}, {size:size}.",
    "restored": "Put back: {count:models}, {size:size}.",
}


def _shown(made: Collected, room: int | None) -> Iterator[str]:
    if made.chosen:
        columns = (Column("MODEL", 1), Column("SIZE"), Column("DAYS", spare=1))
        now = time.time()
        rows = [
            (unit.model.key, human_size(unit.size), str(max(0, int((now - unit.at) / _DAY))))
            for unit in made.chosen
        ]
        yield from table(columns, rows, room)
        size = sum(unit.size for unit in made.chosen)
        yield t("Could go: {count:models}, {size:size}. `doit gc --yes` moves it to the trash.",
                count=len(rows), size=size)  # fmt: skip
    else:
        yield t("Nothing could go: what comfyfix has fetched here is needed.")
    yield t("Read for it: {count:workflows}. One that you run from elsewhere is not known here.",
            count=made.workflows)  # fmt: skip
    if made.others:
        yield t("Not needed either, and not fetched by it: {count:models}; see `--all`.",
                count=made.others)  # fmt: skip


def collected_as_data(made: Collected) -> dict[str, Any]:
    """The same for programs."""
    return {
        "did": made.did,
        "refused": [_reason(reason) for reason in made.refused],
        "could_go": [_unit_data(unit) for unit in made.chosen],
        "moved": [{"model": model, "bytes": size} for model, size in made.moved],
        "left": [{"model": model, **_reason(reason)} for model, reason in made.left],
        "trash": [
            {"name": e.name, "model": e.model, "bytes": e.size, "at": e.at} for e in made.trash
        ],
    }
