"""Ctrl-C and its kin: one asks us to stop in order, a second one ends us at once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from comfyfix.stopped import Stopped


@contextlib.contextmanager
def signals(at_once: Callable[[], object] = bool) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into Stopped; `at_once` runs inside the handler."""

    def on_signal(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - Python's signature
        for known in handled:
            signal.signal(known, signal.SIG_DFL)
        at_once()
        raise Stopped(128 + number)

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, on_signal) for number in handled}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
