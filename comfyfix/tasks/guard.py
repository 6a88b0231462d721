"""What every command is wrapped in: a stop at any time, and a screen that may be gone."""

from __future__ import annotations

import functools
from typing import Any

from doit.cmd_base import Command

from comfyfix.errors import SetupProblem
from comfyfix.screen import notes
from comfyfix.screen.ends import guarded, settle_descriptors

REFUSED = 3
"""The exit code of a command that can't start."""


class Guarded(Command):  # type: ignore[misc]
    """A command that can be stopped from its first moment, and that tells if no one hears it.

    A problem of set-up is one line on stderr.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        settle_descriptors()  # before doit keeps `sys.stdout`
        super().__init__(*arguments, **named)

    def parse_execute(self, in_args: list[str]) -> int:
        """Run the command; returns the exit code."""
        return guarded(functools.partial(self._refusing, in_args))

    def _refusing(self, in_args: list[str]) -> int:
        try:
            return super().parse_execute(in_args) or 0
        except SetupProblem as problem:
            notes.refusal(problem)
            return REFUSED
