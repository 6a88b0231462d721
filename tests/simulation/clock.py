"""A clock that goes on to the next thing that happens, and what can be waited for on it."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class Gate:
    """What is waited for until it opens; it has opened once and for all then."""

    clock: Clock
    is_open: bool = False
    _waiting: list[Work] = field(default_factory=list)

    def open(self) -> None:
        """Let all go on that wait here."""
        self.is_open = True
        for work in self._waiting:
            self.clock.start(work)
        self._waiting.clear()

    def wait(self, work: Work) -> None:
        """Go on with this once it is open."""
        if self.is_open:
            self.clock.start(work)
        else:
            self._waiting.append(work)


Step: TypeAlias = Generator[float | Gate, None, T]
"""Something that takes time: it yields seconds to wait, or a gate."""
Work: TypeAlias = Generator[float | Gate, None, Any]


class Clock:
    """Time, from 0, in seconds; what is due at the same time goes on in the order it was put."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Work]] = []
        self._count = 0

    def start(self, work: Work, after: float = 0.0) -> None:
        """Go on with something later."""
        self._count += 1
        heapq.heappush(self._due, (self.now + after, self._count, work))

    def run(self, until: float = float("inf")) -> None:
        """Let everything happen that is to happen until then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, work = heapq.heappop(self._due)
            for told in work:
                if isinstance(told, Gate):
                    told.wait(work)
                else:
                    self.start(work, told)
                break


class Places:
    """So many at a time; who comes first is first."""

    def __init__(self, clock: Clock, count: int) -> None:
        self._clock = clock
        self._free = count
        self._queue: deque[Gate] = deque()

    def take(self) -> Step[None]:
        """Wait for a place."""
        if self._free:
            self._free -= 1
            return
        gate = Gate(self._clock)
        self._queue.append(gate)
        yield gate

    def leave(self) -> None:
        """Give the place to whoever waits longest."""
        if self._queue:
            self._queue.popleft().open()
        else:
            self._free += 1


class Pipe:
    """What so much can go through in a second, bytes or seconds of processors; first come first."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self.rate = rate
        self.busy = 0.0
        self._clock = clock
        self._free_at = 0.0

    def through(self, amount: float) -> float:
        """Put an amount behind what is on its way; returns when it will be through."""
        seconds = amount / self.rate
        self.busy += seconds
        self._free_at = max(self._free_at, self._clock.now) + seconds
        return self._free_at
