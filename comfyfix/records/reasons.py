"""Why something is as it is, as a value: words are made of it where it is shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """Why something is as it is: a `Why` or a `Flaw`, and what its text tells besides.

    `told` holds texts from outside as they came: they are made fit to be shown with the words.
    """

    why: str
    told: dict[str, str | int | Reason | tuple[str | Reason, ...]] = {}


def because(why: StrEnum, **fields: object) -> Reason:
    """Return a reason; None is told as an empty text, paths and the like as texts."""
    return Reason(str(why), {name: _plain(value) for name, value in fields.items()})


def _plain(value: object) -> Any:
    if isinstance(value, str | int | Reason):
        return value
    if isinstance(value, tuple | list):
        return tuple(item if isinstance(item, Reason) else str(item) for item in value)
    return "" if value is None else str(value)
