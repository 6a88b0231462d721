"""What can be asked of a run while it lives, by its socket: one JSON object each way."""

from __future__ import annotations

from typing import Literal

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do: `stop` the run, or `retry` the model of number `n`. `run` is its name."""

    do: Literal["stop", "retry"]
    run: str
    n: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the run does it."""

    done: bool = False


def read_order(data: bytes) -> Order | None:
    """Return an order, None for what is none."""
    try:
        return msgspec.json.decode(data, type=Order)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_answer(data: bytes) -> Answer:
    """Return an answer; what is none is a refusal."""
    try:
        return msgspec.json.decode(data, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Answer()
