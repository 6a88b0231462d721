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
    """Plain lines for a service that folds the run away, so that its summary is read at once."""

    _open = False

    def begin(self, total: int) -> None:
        """Open the fold, where there is something to put into it."""
        if total:
            self._open = True
            title = t("{count:models}", count=total)
            self._put(f"{self.opening(f'comfyfix: {title}')}\n")

    def end(self) -> None:
        """Close it, if it is open."""
        if self._open:
            self._open = False
            self._put(f"{self.closing()}\n")

    def opening(self, title: str) -> str:
        """What opens a fold."""
        raise NotImplementedError

    def closing(self) -> str:
        """What closes it."""
        raise NotImplementedError


class ActionsConsole(FoldingConsole):
    """A group of GitHub Actions."""

    def opening(self, title: str) -> str:
        """The command that begins a group."""
        return f"::group::{title}"

    def closing(self) -> str:
        """The command that ends it."""
        return "::endgroup::"


class GitLabConsole(FoldingConsole):
    """A section of GitLab, folded at first."""

    def opening(self, title: str) -> str:
        """The line that begins a section."""
        return f"\x1b[0Ksection_start:{int(time.time())}:comfyfix[collapsed=true]\r\x1b[0K{title}"

    def closing(self) -> str:
        """The line that ends it."""
        return f"\x1b[0Ksection_end:{int(time.time())}:comfyfix\r\x1b[0K"


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
