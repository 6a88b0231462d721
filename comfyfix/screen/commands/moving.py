"""Where a model of the store was moved, and which workflows find it then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from comfyfix.records import Reason
from comfyfix.screen.grouped import stays
from comfyfix.screen.objects import maybe_reason_data
from comfyfix.screen.words import t
from comfyfix.stages.store.move import Move


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of one move; `reason`: why it stays."""

    move: Move
    did: Literal["shown", "moved"] = "shown"
    reason: Reason | None = None


def lines(moved: Moved) -> Iterator[str]:
    """What was done, and what comes of it."""
    move = moved.move
    if moved.reason is not None:
        yield from stays(move.was.key, moved.reason)
        return
    line = "{model} would become {to}." if moved.did == "shown" else "✓ {model} is {to} now."
    yield t(line, model=move.was.key, to=move.model.key)
    for name in move.finds:
        yield f"  {t('{workflow} finds it there', workflow=name)}"
    for name in move.loses:
        yield f"  ! {t('{workflow} looks for it where it was', workflow=name)}"
    if not move.finds:
        yield f"  {t('No workflow here looks for it there.')}"


def as_data(moved: Moved) -> dict[str, Any]:
    """The same for programs."""
    move = moved.move
    return {
        "did": moved.did if moved.reason is None else "refused",
        "model": move.was.key, "to": move.model.key,
        "files": [{"from": file.path, "to": file.target} for file in move.files],
        "finds": list(move.finds), "loses": list(move.loses),
        "stays": maybe_reason_data(moved.reason),
    }  # fmt: skip
