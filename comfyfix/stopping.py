"""Ctrl-C and its kin: one asks us to stop in order, a second one ends us at once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

STOPPED = 128
"""Exit codes above it are those of a command that was stopped: the signal's number is added."""


class Stopped(BaseException):
    """The user or the system asked to stop; carries the exit code (130 or 143).

    A BaseException, so that no handler for ordinary failures can swallow it.
    """

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


@contextlib.contextmanager
def signals(at_once: Callable[[], object] = bool) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into Stopped; `at_once` runs inside the handler."""

    def on_signal(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - Python's signature
        for known in handled:
            signal.signal(known, signal.SIG_DFL)
        at_once()
        raise Stopped(STOPPED + number)

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, on_signal) for number in handled}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
