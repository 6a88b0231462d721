"""What a walk may take, and how it ends."""

from __future__ import annotations

from typing import Any

from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle.kinds import Box
from comfyfix.formats.pickle.source import Source

MEMORY_MAX = 150_000_000
"""Bytes, roughly, of all that is kept at a time."""
_LOOKS_MAX = 2_000_000  # entries of dicts that are looked at one by one


class Budget:
    """The place where a walk is, and what it has spent."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.cost = 0
        self.looks = 0
        self.has_stopped = False  # at something that no reader gets past

    @property
    def place(self) -> int:
        """The byte of the instruction that is being followed, for messages."""
        return self.source.start + self.source.mark

    def odd(self, flaw: Flaw) -> Refused:
        """Return the end of a walk at what no reader could load, to be raised."""
        self.has_stopped = True
        return damaged(flaw, place=self.place)

    def harmful(self, flaw: Flaw, **fields: object) -> Refused:
        """Return the end of a walk at what does more than weights need, to be raised."""
        return unsafe(flaw, place=self.place, **fields)

    def pay(self, count: int) -> None:
        """Count bytes that are kept. Raises Refused where it becomes too much."""
        self.cost += count
        if self.cost > MEMORY_MAX:
            raise unsafe(Flaw.PICKLE_HOLDS_TOO_MUCH)

    def look_at(self, state: Any) -> None:
        """Count the entries of a state that have to be looked at. Raises Refused."""
        if isinstance(state, Box):
            self.look(len(state.odd))

    def look(self, times: int) -> None:
        """Count what takes longer than an instruction. Raises Refused where it becomes too much."""
        self.looks += times
        if self.looks > _LOOKS_MAX:
            raise unsafe(Flaw.PICKLE_LOOKS_TOO_OFTEN)
