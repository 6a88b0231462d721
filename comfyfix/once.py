"""Answers that are made once and kept, however many threads ask for them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Once(Generic[K, V]):
    """Values by key. One that could not be made is not kept: the next who asks tries again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[K, V] = {}
        self._busy: dict[K, threading.Lock] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made by the first who asks; the others wait for it."""
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]
