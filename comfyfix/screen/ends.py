"""How a command ends: a stop may come at any time, and the screen may be gone.

Nothing is imported here that takes time: our program is under this guard before it loads doit.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import NoReturn, TextIO

from comfyfix.stopping import Stopped, signals

UNTOLD = 2
"""The exit code of a command whose answer could not be written."""


def guarded(work: Callable[[], int | None]) -> int:
    """Do the work of a command; returns the exit code. Tells if no one hears the answer."""
    trouble: OSError | None = None
    try:
        with signals():
            code = work() or 0
    except Stopped as stopped:
        code = stopped.exit_code
        _tell("\nStopped. Next: run the same command again")
    except BrokenPipeError:
        code = 0  # the reader (`| head`) has seen enough
    except OSError as error:
        trouble = _unwritable(sys.stdout, error)
        if trouble is None and _unwritable(sys.stderr, error) is None:
            raise
        code = UNTOLD
    trouble = trouble or _flushed(sys.stdout)
    if trouble is not None:
        mute(1)
        if not isinstance(trouble, BrokenPipeError):
            code = max(code, UNTOLD)
            _tell(
                "ERROR: The answer can't be written: {cause}. "
                "Next: give the command an output that takes it",
                cause=trouble.strerror,
            )
    if _flushed(sys.stderr) is not None:
        mute(2)
    return code


_LAST: ContextVar[Callable[[int], object]] = ContextVar("_LAST", default=bool)


@contextlib.contextmanager
def last_word(say: Callable[[int], object]) -> Iterator[None]:
    """Have something said by whoever leaves meanwhile; it is given the exit code."""
    token = _LAST.set(say)
    try:
        yield
    finally:
        _LAST.reset(token)


def leave(exit_code: int) -> NoReturn:
    """End the process at once, where others that are at work would hold its end up for minutes."""
    try:
        _LAST.get()(exit_code)
        sys.stdout.flush()
    finally:
        os._exit(exit_code)


def _tell(line: str, **fields: object) -> None:
    from comfyfix.screen.words import t  # a stop may come while it is loaded

    with contextlib.suppress(OSError):
        print(t(line, **fields), file=sys.stderr)  # noqa: T201 - as doit tells its own errors


def _flushed(stream: TextIO) -> OSError | None:
    """Write what is still to be written; what kept it from being so, or None."""
    try:
        stream.flush()
    except OSError as error:
        return error
    return None


def _unwritable(stream: TextIO, error: OSError) -> OSError | None:
    """Tell whether an error may be this stream's: what keeps it from taking a line, or None."""
    trouble = _flushed(stream)
    # Without a buffer (PYTHONUNBUFFERED) nothing is left to be written: a line break is, then.
    if trouble is None and error.filename is None and getattr(stream, "write_through", False):
        try:
            os.write(stream.fileno(), b"\n")
        except OSError as refusal:
            return refusal
    return trouble


def mute(number: int) -> None:
    """Let nothing raise that is still to be written to stdout or stderr, at the end either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def settle_descriptors() -> None:
    """Put something at descriptors 0, 1 and 2, where a file that is opened later would land.

    A closed stdout takes nothing, as before: a command whose answer is lost has to notice.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest that is free, so this one
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor, to the end
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
