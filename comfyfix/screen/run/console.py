"""Which console fits where the lines of a run go: a CI that folds, a terminal, or anything else."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TextIO

from comfyfix.screen.run.lines import Console
from comfyfix.screen.text import on_terminal
from comfyfix.screen.words import t


class FoldingConsole(Console):
    """Plain lines for a service that folds the run away, so that its summary is read at once.

    `opening` and `closing` are what it takes for the edges of a fold; `{now}`: seconds since 1970.
    """

    opening = closing = ""
    _is_open = False

    def begin(self, total: int) -> None:
        """Open the fold, where there is something to put into it."""
        if total:
            self._is_open = True
            self._put_edge(self.opening, t("{count:models}", count=total))

    def end(self) -> None:
        """Close it, if it is open."""
        if self._is_open:
            self._is_open = False
            self._put_edge(self.closing)

    def _put_edge(self, edge: str, count: str = "") -> None:
        self._put(f"{edge.format(now=int(time.time()), count=count)}\n")


class ActionsConsole(FoldingConsole):
    """A group of GitHub Actions."""

    opening = "::group::comfyfix: {count}"
    closing = "::endgroup::"


class GitLabConsole(FoldingConsole):
    """A section of GitLab, folded at first."""

    opening = "\x1b[0Ksection_start:{now}:comfyfix[collapsed=true]\r\x1b[0Kcomfyfix: {count}"
    closing = "\x1b[0Ksection_end:{now}:comfyfix\r\x1b[0K"


def choose(log: Path, out: TextIO, *, live: bool) -> Console:
    """Return the console that fits; `live` where nothing else writes to the screen."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return ActionsConsole(log, out)
    if os.environ.get("GITLAB_CI") == "true":
        return GitLabConsole(log, out)
    if live and out is sys.stdout and on_terminal():
        from comfyfix.screen.run.live import LiveConsole  # 40 ms for a terminal only

        return LiveConsole(log)
    return Console(log, out)
