"""Where a model of the store was moved, and which workflows find it then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from comfyfix.records import Reason
from comfyfix.screen import words
from comfyfix.screen.grouped import stays
from comfyfix.screen.words import t
from comfyfix.stages.store.move import Move


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of one move; `reason`: why it stays."""

    move: Move
    did: Literal["shown", "moved"] = "shown"
    reason: Reason | None = None


def lines(one: Moved) -> Iterator[str]:
    """What was done, and what comes of it."""
    told = {"model": one.move.was.key, "to": one.move.model.key}
    if one.reason is not None:
        yield from stays(one.move.was.key, one.reason)
        return
    if one.did == "shown":
        yield t("{model} would become {to}.", **told)
    else:
        yield f"✓ {t('{model} is {to} now.', **told)}"
    for name in one.move.finds:
        yield f"  {t('{workflow} finds it there', workflow=name)}"
    for name in one.move.loses:
        yield f"  ! {t('{workflow} looks for it where it was', workflow=name)}"
    if not one.move.finds:
        yield f"  {t('No workflow here looks for it there.')}"


def as_data(one: Moved) -> dict[str, Any]:
    """The same for programs."""
    reason = one.reason
    return {
        "did": one.did if reason is None else "refused",
        "model": one.move.was.key, "to": one.move.model.key,
        "files": [{"from": file.path, "to": file.target} for file in one.move.files],
        "finds": list(one.move.finds), "loses": list(one.move.loses),
        "stays": {"why": reason.why, "message": words.sentence(reason)} if reason else None,
    }  # fmt: skip
