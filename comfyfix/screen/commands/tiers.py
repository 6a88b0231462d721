"""What `tiers` has done with the fast tier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from comfyfix.disk import json_file
from comfyfix.disk.files import human_size
from comfyfix.screen import words
from comfyfix.screen.table import Column, table
from comfyfix.screen.words import t
from comfyfix.stages.store.tiers.raising import CopyOutcome, CopyResult
from comfyfix.state.tier import Tier

_LINES: dict[CopyOutcome, str] = {
    CopyOutcome.BROUGHT: "↑ {name} ({size:size})",
    CopyOutcome.THERE: "✓ {name} ({size:size})",
    CopyOutcome.LEFT: "↓ {name} ({size:size})",
}


def line(result: CopyResult) -> str:
    """One file."""
    if result.reason:
        reason = words.with_next_step(result.reason)
        return t("! {name} stays: {reason}", name=result.name, reason=reason)
    return t(_LINES[result.outcome], name=result.name, size=result.size)


def total(sizes: Sequence[int], limit: int | None) -> str:
    """What the tier holds now."""
    of_limit = "" if limit is None else " of {limit:size}"
    line = "In the fast tier: {count:models}, {size:size}" + of_limit + "."
    return t(line, count=len(sizes), size=sum(sizes), limit=limit)


def held(tier: Tier, others: int, limit: int | None) -> Iterator[str]:
    """What lies in the tier, for `store`."""
    yield total([copy.size for copy in tier.copies.values()], limit)
    if others:
        yield t("Besides, of others, and neither counted nor touched: {size:size}.", size=others)


def copies(tier: Tier, room: int | None) -> Iterator[str]:
    """A line for each copy, those that would leave last first."""
    columns = (Column("IN THE FAST TIER", 3), Column("SIZE"), Column("LAST NEEDED", spare=1))
    newest = sorted(tier.copies.values(), key=lambda copy: (-copy.needed_at, copy.path))
    rows = [(c.path, human_size(c.size), json_file.at(c.needed_at)[:10]) for c in newest]
    yield from table(columns, rows, room) if rows else ()


def held_as_data(tier: Tier, others: int, limit: int | None) -> dict[str, Any]:
    """The same for programs."""
    by_path = sorted(tier.copies.values(), key=lambda copy: copy.path)
    return {
        "path": str(tier.root),
        "copies": [
            {
                "path": copy.path,
                "source": copy.source,
                "bytes": copy.size,
                "last_needed": json_file.at(copy.needed_at),
            }
            for copy in by_path
        ],
        "bytes": sum(copy.size for copy in by_path),
        "others": others,
        "limit": limit,
    }


def as_data(files: Iterable[CopyResult], sizes: Sequence[int], limit: int | None) -> dict[str, Any]:
    """For programs."""
    return {
        "files": [
            {
                "did": file.outcome,
                "name": file.name,
                "bytes": file.size,
                "why": file.reason.why if file.reason else None,
            }
            for file in files
        ],
        "copies": len(sizes),
        "bytes": sum(sizes),
        "limit": limit,
    }
