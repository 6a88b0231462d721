"""Slots: how many downloads go on at the same time, and who is next."""

from __future__ import annotations

from collections import deque
from threading import Event, Lock


class Slots:
    """So many slots; who waits gets one in the order of coming, also if he looks up meanwhile."""

    def __init__(self, count: int = 1) -> None:
        self._free = count
        self._waiting: deque[Event] = deque()
        self._lock = Lock()

    def join(self) -> Event:
        """Stand in the line; the event is set once a slot is had."""
        turn = Event()
        with self._lock:
            if self._free:
                self._free -= 1
                turn.set()
            else:
                self._waiting.append(turn)
        return turn

    def leave(self, turn: Event) -> None:
        """Give a slot back, or the place in the line."""
        with self._lock:
            if not turn.is_set():
                self._waiting.remove(turn)
            elif self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


class Slot:
    """The slot of one download; one who only waits for another process gives it up."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._turn: Event | None = None

    def take(self, seconds: float | None = None) -> bool:
        """Wait until it is had, at most so long; the place in the line is kept."""
        if self._turn is None:
            self._turn = self._slots.join()
        return self._turn.wait(seconds)

    def leave(self) -> None:
        """Let another have it."""
        if self._turn is not None:
            self._slots.leave(self._turn)
            self._turn = None

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
