"""Which files of a store are equal, and what came of letting them share their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from comfyfix.disk.files import human_size
from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.grouped import stays, with_step
from comfyfix.screen.objects import maybe_reason_data, reason_data
from comfyfix.screen.table import Column, table
from comfyfix.screen.words import t
from comfyfix.stages.store.dedupe import Duplicates, Pair


@dataclass(frozen=True, slots=True)
class Shared:
    """What is equal in one project's store; `done`: it was not only shown.

    `unfinished` is what a stopped one has left and could be neither finished nor undone.
    """

    equal: Duplicates
    won: Sequence[Pair] = ()
    failed: Sequence[tuple[Pair, Reason]] = ()
    unfinished: Sequence[Reason] = ()
    done: bool = False


_COLUMNS = (Column("MODEL", 2), Column("SIZE"), Column("EQUAL TO", 2), Column("HOW", 2, spare=1))


def lines(shared: Shared, room: int | None) -> Iterator[str]:
    """What could be won or was won, and what stays as it is."""
    equal, won = shared.equal, shared.won
    for reason in shared.unfinished:
        yield from with_step("✗ ", reason)
    for pair, reason in shared.failed:
        yield from stays(pair.other.model.key, reason)
    pairs = equal.left if shared.done else equal.pairs
    if pairs:
        yield from table(_COLUMNS, [_row(pair) for pair in pairs], room)
    if shared.done:
        yield t("Won: {size:size}, of {count:files}.", size=_size(won), count=len(won))
    elif planned := equal.planned:
        yield t(
            "Could be won: {size:size}, of {count:files}. `doit dedupe --yes` does it.",
            size=_size(planned), count=len(planned),
        )  # fmt: skip
    else:
        yield t("Nothing could be won: no two files are equal that could share their bytes.")
    if equal.shared:
        yield t("Shared already: {size:size}, of {count:files}.",
                size=equal.shared_bytes, count=equal.shared)  # fmt: skip


def _row(pair: Pair) -> tuple[str, ...]:
    other = pair.other
    how = words.sentence(pair.reason) if pair.reason else _HOW[pair.way or "link"]
    return other.model.key, human_size(other.info.st_size), pair.kept.model.key, how


_HOW = {"link": t("link"), "clone": t("shared blocks")}


def _size(pairs: Sequence[Pair]) -> int:
    return sum(pair.other.info.st_size for pair in pairs)


def as_data(shared: Shared) -> dict[str, Any]:
    """The same for programs."""
    equal = shared.equal
    reasons = {id(pair): reason for pair, reason in shared.failed}
    won = {id(pair) for pair in shared.won}
    return {
        "did": "shared" if shared.done else "shown",
        "bytes": _size(shared.won if shared.done else equal.planned),
        "shared": {"files": equal.shared, "bytes": equal.shared_bytes},
        "unfinished": list(map(reason_data, shared.unfinished)),
        "pairs": [
            {
                "model": pair.other.model.key, "path": pair.other.path,
                "equal_to": pair.kept.model.key, "equal_path": pair.kept.path,
                "bytes": pair.other.info.st_size, "way": pair.way, "done": id(pair) in won,
                "stays": maybe_reason_data(reasons.get(id(pair), pair.reason)),
            }
            for pair in equal.pairs
        ],
    }  # fmt: skip
