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


class Shared:
    """What all who use it at the same time share evenly: a line, a disk, the cores of a machine.

    `rate` is how much of it goes by in a second, bytes or seconds of processors; nobody is given
    more than `most` of that. `busy` are the seconds that it would take at its full rate for all.
    """

    def __init__(self, clock: Clock, rate: float, most: float = float("inf")) -> None:
        self.busy = 0.0
        self._clock, self._rate, self._most = clock, rate, most
        # What each user was given who has been there from the beginning; a user is through once
        # it has grown by his own amount, so nobody's share is worked out before that.
        self._given, self._since = 0.0, 0.0
        self._users: list[tuple[float, int, Gate]] = []
        self._count = 0

    def put(self, amount: float) -> Gate:
        """Let an amount go by; the gate opens when it is through."""
        self.busy += amount / self._rate
        self._go_on()
        self._count += 1
        gate = Gate(self._clock)
        heapq.heappush(self._users, (self._given + amount, self._count, gate))
        self._clock.start(self._look(self._count), self._left())
        return gate

    @property
    def _share(self) -> float:
        return min(self._most, self._rate / len(self._users))

    def _left(self) -> float:
        """Seconds until the first user is through, if no other comes."""
        return max(0.0, self._users[0][0] - self._given) / self._share

    def _go_on(self) -> None:
        now = self._clock.now
        if self._users:
            self._given += (now - self._since) * self._share
        self._since = now

    def _look(self, count: int) -> Work:
        """Let go who is through, unless another has come since, who looks himself."""
        yield from ()
        if count != self._count:
            return
        self._go_on()
        first, _, gate = heapq.heappop(self._users)
        self._given = max(self._given, first)
        gate.open()
        if self._users:
            self._count += 1
            self._clock.start(self._look(self._count), self._left())
