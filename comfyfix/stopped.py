"""What is raised where a signal has asked us to stop."""

from __future__ import annotations


class Stopped(BaseException):
    """The user or the system asked to stop; carries the exit code (130 or 143).

    A BaseException, so that no handler for ordinary failures can swallow it.
    """

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)
