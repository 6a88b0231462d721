"""What a check found wrong with a file: of which kind, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["damaged", "wrong", "unsafe"]
"""`damaged`: cut, impossible in itself, or no model at all; `wrong`: a sound file of another
kind than its name says; `unsafe`: loading it could run code, or it was made to fool a reader."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a file; `reason` continues "because"."""

    kind: Kind
    reason: str


class Refused(Exception):
    """Ends the reading of a file at the first thing that is wrong with it."""

    def __init__(self, kind: Kind, reason: str) -> None:
        self.finding = Finding(kind, reason)
        super().__init__(reason)


def damaged(reason: str) -> Refused:
    """Return the end of a reading with a finding of this kind, to be raised."""
    return Refused("damaged", reason)


def wrong(reason: str) -> Refused:
    """Return the end of a reading with a finding of this kind, to be raised."""
    return Refused("wrong", reason)


def unsafe(reason: str) -> Refused:
    """Return the end of a reading with a finding of this kind, to be raised."""
    return Refused("unsafe", reason)
