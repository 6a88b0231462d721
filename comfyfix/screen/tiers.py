"""What `tiers` has done with the fast tier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.stages.tiers import Did, Done

_LINES: dict[Did, str] = {
    Did.BROUGHT: "↑ {name} ({size:size})",
    Did.THERE: "✓ {name} ({size:size})",
    Did.LEFT: "↓ {name} ({size:size})",
}


def line(done: Done) -> str:
    """One file."""
    if done.reason:
        told = {"name": done.name, "reason": words.sentence(done.reason)}
        return t("! {name} stays: {reason}", **told)
    return t(_LINES[done.did], name=done.name, size=done.size)


def total(sizes: Sequence[int], limit: int | None) -> str:
    """What the tier holds now."""
    told = {"count": len(sizes), "size": sum(sizes)}
    if limit is None:
        return t("In the fast tier: {count:models}, {size:size}.", **told)
    return t("In the fast tier: {count:models}, {size:size} of {limit:size}.", **told, limit=limit)


def as_data(done: Iterable[Done], sizes: Sequence[int], limit: int | None) -> dict[str, Any]:
    """For programs."""
    return {
        "files": [
            {
                "did": each.did,
                "name": each.name,
                "bytes": each.size,
                "why": each.reason.why if each.reason else None,
            }
            for each in done
        ],
        "copies": len(sizes),
        "bytes": sum(sizes),
        "limit": limit,
    }
