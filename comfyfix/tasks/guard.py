"""What every command of ours is wrapped in: a stop at any time, and a screen that may be gone."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from doit.cmd_base import Command

from comfyfix.errors import SetupProblem, Stopped
from comfyfix.screen import notes
from comfyfix.screen.text import mute
from comfyfix.tasks.stopping import signals
from comfyfix.why import Why

REFUSED = 3
"""The exit code of a command that can't start."""
UNTOLD = 2
"""The exit code of a command whose answer could not be written."""


class Guarded(Command):  # type: ignore[misc]
    """A command that can be stopped from its first moment, and that tells if no one hears it.

    A problem of set-up is one line on stderr.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        settle_descriptors()  # before doit keeps `sys.stdout`
        super().__init__(*arguments, **named)

    def parse_execute(self, in_args: list[str]) -> int:
        """Run the command; returns the exit code."""
        try:
            with signals():
                code: int = super().parse_execute(in_args) or 0
        except Stopped as stopped:
            code = stopped.exit_code
            notes.stopped()
        except SetupProblem as problem:
            code = REFUSED
            notes.refusal(problem)
        except BrokenPipeError:
            code = 0  # the reader (`| head`) has seen enough
        except OSError:
            if _flushed(sys.stdout) is None and _flushed(sys.stderr) is None:
                raise
            code = UNTOLD
        trouble = _flushed(sys.stdout)
        if trouble is not None:
            mute(1)
            if not isinstance(trouble, BrokenPipeError):
                code = max(code, UNTOLD)
                notes.refusal(SetupProblem(Why.ANSWER_LOST, cause=trouble.strerror))
        if _flushed(sys.stderr) is not None:
            mute(2)
        return code


def _flushed(stream: TextIO) -> OSError | None:
    """Write what is still to be written; what kept it from being so, or None."""
    try:
        stream.flush()
    except OSError as error:
        return error
    return None


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
