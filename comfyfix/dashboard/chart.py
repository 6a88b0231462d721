"""Bytes a second over the time of a run, in as many steps as a chart has room for."""

from __future__ import annotations

import math
from itertools import zip_longest

STEPS_MAX = 240
"""Steps of a chart; a longer run has longer ones."""
BYTES_MAX = 2**53
"""What a browser counts exactly."""


class Chart:
    """Sums what arrives by steps of time, a second each at first."""

    def __init__(self) -> None:
        self.begin(0.0)

    def begin(self, at: float) -> None:
        """Begin anew at this time."""
        self._at = at if math.isfinite(at) else 0.0
        self.step = 1
        self._sums: list[int] = []

    def add(self, at: float, count: int) -> None:
        """So many bytes have arrived; of what is gone again nothing is counted."""
        if count <= 0 or not math.isfinite(at):
            return
        place = self._place(at)
        while place >= STEPS_MAX and self.step < 2**40:
            self.step *= 2
            pairs = zip_longest(self._sums[::2], self._sums[1::2], fillvalue=0)
            self._sums = list(map(sum, pairs))
            place = self._place(at)
        place = min(place, STEPS_MAX - 1)
        self._sums += [0] * (place + 1 - len(self._sums))
        self._sums[place] = min(self._sums[place] + count, BYTES_MAX)

    def _place(self, at: float) -> int:
        return max(0, int(at - self._at)) // self.step

    @property
    def rates(self) -> list[int]:
        """Bytes a second, step by step."""
        return [total // self.step for total in self._sums]
