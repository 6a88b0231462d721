"""What can be asked of a run while it lives, by its socket: one JSON object each way."""

from __future__ import annotations

from typing import Literal

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do: `stop` the run, `retry` the model of number `n`, or `choose` a file for it.

    `run` is the run's name, `url` the address of the file, which the run itself has found.
    """

    do: Literal["stop", "retry", "choose"]
    run: str
    n: int | None = None
    url: str = ""


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
