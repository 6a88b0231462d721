"""What lies in a store, and what of it has gone to its trash."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from comfyfix.disk.files import human_size
from comfyfix.disk.trash.trash_note import Entry
from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.grouped import stays
from comfyfix.screen.objects import maybe_reason_data, reason_data
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
        hashes = [self.hashes.get(path, "") for path in unit.files]
        return " ".join(sorted(hashes)) if all(hashes) else ""

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
    sums: dict[str, _Sum] = defaultdict(_Sum)
    counted: set[object] = set()
    digests: Counter[str] = Counter()
    for unit in held.units:
        fresh = not counted.issuperset(unit.files.values())
        counted.update(unit.files.values())
        size = unit.size if fresh else 0
        digest = held.digest(unit)
        has_origin = unit.fetched or held.origin(unit) is not None
        digests[digest] += bool(digest and fresh)
        for total in (sums[unit.model.folder or "?"], sums[""]):
            total.files += len(unit.files)
            total.size += size
            total.needed += size if unit.needed else 0
            total.idle += 0 if unit.needed else size
            total.fetched += 0 if unit.needed or not unit.fetched else size
            total.unknown += 0 if has_origin else size
            total.twice += size if digest and digests[digest] > 1 else 0
    return sums


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
    yield from table(_COLUMNS, [_row(*row) for row in rows], room)
    if total.idle:
        yield t("`doit gc` shows what of it could go, `doit store --all` each file.")


def _row(name: str, total: _Sum) -> tuple[str, ...]:
    sizes = (total.size, total.needed, total.idle, total.fetched, total.twice, total.unknown)
    return (name, str(total.files), *map(human_size, sizes))


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
        "folders": [{"folder": name, **_sum_data(own)} for name, own in sorted(sums.items())],
        "all": _sum_data(total),
        "doubts": list(map(reason_data, doubts)),
        "files": [_held_data(held, unit) for unit in held.units],
    }


def _origin(held: Holding, unit: Unit) -> str:
    if unit.fetched:
        return t("fetched")
    return t("known by its hash") if held.origin(unit) else t("unknown")


def _sum_data(total: _Sum) -> dict[str, int]:
    return {
        "files": total.files, "bytes": total.size, "needed": total.needed,
        "not_needed": total.idle, "not_needed_fetched": total.fetched, "duplicates": total.twice,
        "unknown_origin": total.unknown,
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
        "stays": maybe_reason_data(unit.reason),
    }  # fmt: skip


def collected(result: Collected, room: int | None) -> Iterator[str]:
    """What `gc` has found and done."""
    for reason in result.refused:
        yield f"✗ {words.sentence(reason)}"
        yield f"  {t('Next: {step}', step=words.worded(reason).next_step)}"
    if result.refused:
        yield t("Nothing was moved: what is needed can't be told.")
        return
    if result.did == "shown":
        yield from _shown(result, room)
    for model, reason in result.left:
        yield from stays(model, reason)
    if result.did != "shown":
        size = sum(size for _, size in result.moved)
        yield t(_DONE[result.did], count=len(result.moved), size=size)
    if result.trash:
        yield from _trash(result.trash, room) if result.did == "shown" else ()
        size = sum(entry.size for entry in result.trash)
        yield t("In the trash: {count:models}, {size:size}.", count=len(result.trash), size=size)
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


def _shown(result: Collected, room: int | None) -> Iterator[str]:
    if result.chosen:
        columns = (Column("MODEL", 1), Column("SIZE"), Column("DAYS", spare=1))
        now = time.time()
        rows = [
            (unit.model.key, human_size(unit.size), str(max(0, int((now - unit.at) / _DAY))))
            for unit in result.chosen
        ]
        yield from table(columns, rows, room)
        size = sum(unit.size for unit in result.chosen)
        yield t("Could go: {count:models}, {size:size}. `doit gc --yes` moves it to the trash.",
                count=len(rows), size=size)  # fmt: skip
    else:
        yield t("Nothing could go: what comfyfix has fetched here is needed.")
    yield t("Read for it: {count:workflows}. One that you run from elsewhere is not known here.",
            count=result.workflows)  # fmt: skip
    if result.others:
        yield t("Not needed either, and not fetched by it: {count:models}; see `--all`.",
                count=result.others)  # fmt: skip


def collected_as_data(result: Collected) -> dict[str, Any]:
    """The same for programs."""
    return {
        "did": result.did,
        "refused": list(map(reason_data, result.refused)),
        "could_go": list(map(_unit_data, result.chosen)),
        "moved": [{"model": model, "bytes": size} for model, size in result.moved],
        "left": [{"model": model, **reason_data(reason)} for model, reason in result.left],
        "trash": [
            {"name": e.name, "model": e.model, "bytes": e.size, "at": e.at} for e in result.trash
        ],
    }
