"""Which files of a store are equal, and what came of letting them share their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from comfyfix.disk.files import human_size
from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.grouped import next_step, stays
from comfyfix.screen.table import Column, table
from comfyfix.screen.words import t
from comfyfix.stages.store.dedupe import Duplicates, Pair


@dataclass(slots=True)
class Shared:
    """What is equal in one project's store; `done`: it was not only shown.

    `odd` is what a stopped one has left and could be neither finished nor undone.
    """

    found: Duplicates
    won: Sequence[Pair] = ()
    failed: Sequence[tuple[Pair, Reason]] = ()
    odd: list[Reason] = field(default_factory=list)
    done: bool = False


_COLUMNS = (Column("MODEL", 2), Column("SIZE"), Column("EQUAL TO", 2), Column("HOW", 2, spare=1))


def lines(one: Shared, room: int | None) -> Iterator[str]:
    """What could be won or was won, and what stays as it is."""
    for reason in one.odd:
        yield f"✗ {words.sentence(reason)}"
        yield from next_step(words.told(reason).next_step)
    for pair, reason in one.failed:
        yield from stays(pair.other.model.key, reason)
    pairs = one.found.left if one.done else one.found.pairs
    if pairs:
        yield from table(_COLUMNS, [_row(pair) for pair in pairs], room)
    if one.done:
        yield t("Won: {size:size}, of {count:files}.", size=_size(one.won), count=len(one.won))
    elif planned := one.found.planned:
        yield t(
            "Could be won: {size:size}, of {count:files}. `doit dedupe --yes` does it.",
            size=_size(planned), count=len(planned),
        )  # fmt: skip
    else:
        yield t("Nothing could be won: no two files are equal that could share their bytes.")
    if one.found.shared:
        yield t("Shared already: {size:size}, of {count:files}.",
                size=one.found.shared_bytes, count=one.found.shared)  # fmt: skip


def _row(pair: Pair) -> tuple[str, ...]:
    other = pair.other
    how = words.sentence(pair.reason) if pair.reason else _HOW[pair.way or "link"]
    return other.model.key, human_size(other.info.st_size), pair.kept.model.key, how


_HOW = {"link": t("link"), "clone": t("shared blocks")}


def _size(pairs: Sequence[Pair]) -> int:
    return sum(pair.other.info.st_size for pair in pairs)


def as_data(one: Shared) -> dict[str, Any]:
    """The same for programs."""
    reasons = {id(pair): reason for pair, reason in one.failed}
    won = {id(pair) for pair in one.won}
    return {
        "did": "shared" if one.done else "shown",
        "bytes": _size(one.won if one.done else one.found.planned),
        "shared": {"files": one.found.shared, "bytes": one.found.shared_bytes},
        "unfinished": [_reason(reason) for reason in one.odd],
        "pairs": [
            {
                "model": pair.other.model.key, "path": pair.other.path,
                "equal_to": pair.kept.model.key, "equal_path": pair.kept.path,
                "bytes": pair.other.info.st_size, "way": pair.way, "done": id(pair) in won,
                "stays": _maybe(reasons.get(id(pair), pair.reason)),
            }
            for pair in one.found.pairs
        ],
    }  # fmt: skip


def _maybe(reason: Reason | None) -> dict[str, str] | None:
    return _reason(reason) if reason else None


def _reason(reason: Reason) -> dict[str, str]:
    return {"why": reason.why, "message": words.sentence(reason)}
