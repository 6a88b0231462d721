"""Answers that are made once and kept, however many threads ask for them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Generic, ParamSpec, TypeVar

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")
Self = TypeVar("Self")


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


def asked_once(method: Callable[Concatenate[Self, P], V]) -> Callable[Concatenate[Self, P], V]:
    """Let an object keep what a method of it has returned, for each set of arguments."""
    attribute = f"_once_{method.__name__}"

    @wraps(method)
    def ask(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> V:
        answers: Once[object, V] = vars(self).setdefault(attribute, Once())
        key = args, tuple(kwargs.items())
        return answers.get(key, lambda: method(self, *args, **kwargs))

    return ask
