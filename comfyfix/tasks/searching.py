"""Searches side by side, as many as the manifest allows, for commands that only ask."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from comfyfix.screen import notes
from comfyfix.stopping import Stopped
from comfyfix.tasks.running import Run

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def side_by_side(run: Run, asked: Sequence[Asked], ask: Callable[[Asked], Answer]) -> list[Answer]:
    """Ask for each, and return the answers in this order; a stop ends the process at once."""
    with ThreadPoolExecutor(run.project.manifest.search.parallel) as pool:
        try:
            return list(pool.map(ask, asked))
        except Stopped as stopped:
            run.children.stop()
            notes.stopped_searching()
            sys.stdout.flush()
            os._exit(stopped.exit_code)  # searches under way would hold the end up for minutes
