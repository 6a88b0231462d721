"""What a check found wrong with a file: of which kind, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from comfyfix.disk.files import clean_text
from comfyfix.formats.flaws import Flaw
from comfyfix.records import Reason, because

Kind = Literal["damaged", "wrong", "unsafe"]
"""`damaged`: cut, impossible in itself, or no model at all; `wrong`: a sound file of another
kind than its name says; `unsafe`: loading it could run code, or it was made to fool a reader."""
TEXT_MAX = 80
"""Letters that are kept of a text in a file; a name may be as long as the file lets it be."""
NUMBER_MAX = (1 << 63) - 1
"""The largest number that is told; a header may lead to one of ten thousand digits."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a file; the reason's `why` is a `Flaw`."""

    kind: Kind
    reason: Reason


class Refused(Exception):
    """Ends the reading of a file at the first thing that is wrong with it."""

    def __init__(self, kind: Kind, flaw: Flaw, **given: object) -> None:
        fields = {name: _bounded(value) for name, value in given.items()}
        self.finding = Finding(kind, because(flaw, **fields))
        super().__init__(flaw)


def damaged(flaw: Flaw, **fields: object) -> Refused:
    """Return the end of a reading with a finding of this kind, to be raised."""
    return Refused("damaged", flaw, **fields)


def wrong(flaw: Flaw, **fields: object) -> Refused:
    """Return the end of a reading with a finding of this kind, to be raised."""
    return Refused("wrong", flaw, **fields)


def unsafe(flaw: Flaw, **fields: object) -> Refused:
    """Return the end of a reading with a finding of this kind, to be raised."""
    return Refused("unsafe", flaw, **fields)


def _bounded(value: object) -> object:
    """Make what a file has told fit to be kept: bounded, and of letters that JSON has."""
    if isinstance(value, Reason):
        return value
    if isinstance(value, int):
        return max(-NUMBER_MAX, min(value, NUMBER_MAX))
    text = str(value)
    return clean_text(text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…")
