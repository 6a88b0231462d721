"""Which console fits where the lines of a run go: GitHub Actions, a terminal, or anything else."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

from comfyfix.screen.lines import Console
from comfyfix.screen.text import clean, on_terminal
from comfyfix.screen.words import t


class ActionsConsole(Console):
    """Plain lines for GitHub Actions: the run folds away, failures become annotations."""

    def begin(self, total: int) -> None:
        """Open the group."""
        if total:
            self._show(f"::group::comfyfix: {t('{count:models}', count=total)}")

    def end(self) -> None:
        """Close the group, so that the summary is read at once."""
        self._show("::endgroup::")

    def error(self, text: str) -> None:
        """Annotate a failure."""
        lines = (clean(line).replace("%", "%25") for line in text.split("\n"))
        self._show(f"::error title=comfyfix::{'%0A'.join(lines)}")


def choose(log: Path, out: TextIO, *, live: bool) -> Console:
    """Return the console that fits; `live` where nothing else writes to the screen."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return ActionsConsole(log, out)
    if live and out is sys.stdout and on_terminal():
        from comfyfix.screen.live import LiveConsole  # 40 ms for a terminal only

        return LiveConsole(log)
    return Console(log, out)
