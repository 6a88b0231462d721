"""The last lines of a run: what it was good for; and a sign for who has looked away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from comfyfix.disk.files import printable
from comfyfix.screen.clock import clock
from comfyfix.screen.text import on_terminal
from comfyfix.screen.words import t
from comfyfix.settings.switches import in_ci
from comfyfix.stages.reports.won import Won

NAMES_MAX = 5
LONG_SECONDS = 30.0
"""Who has waited longer than this may look elsewhere by now."""


def lines(end: Won, seconds: float, store: Path) -> Iterator[str]:
    """Say which workflows are ready, and what was brought; nothing where it was about none."""
    if not end.total:
        return
    yield ""
    mark = "✓" if len(end.ready) == end.total else "!"
    yield f"{mark} {_ready(end)}"
    if end.new and not end.by_lock:
        names = tuple(printable(name.removesuffix(".json")) for name in end.new[:NAMES_MAX])
        more = len(end.new) - len(names)
        line = "  New: {names}" + (" and {more} more" if more else "")
        yield t(line, names=names, more=more)
    if end.size:
        line = "  {size:size} in {time}, in {store}"
        yield t(line, size=end.size, time=clock(seconds), store=str(store))


def _ready(end: Won) -> str:
    if end.by_lock:
        all_there = t("All that the lock file names is there")
        return all_there if end.ready else t("Not all that the lock file names is there")
    if end.total == 1:
        return t("The workflow is ready") if end.ready else t("The workflow is not ready yet")
    count = len(end.ready)
    if count == 1:
        return t("1 of {total} workflows is ready", total=end.total)
    return t("{count} of {total} workflows are ready", count=count, total=end.total)


def sign(end: Won, seconds: float) -> str:
    """What rings and shows a notice at the end of a long run; empty where nobody wants that."""
    unwanted = os.environ.get("NO_COLOR") or in_ci(os.environ)
    if seconds <= LONG_SECONDS or unwanted or not on_terminal():
        return ""
    message = _ready(end) if end.total else t("done")
    return f"\x1b]9;comfyfix: {printable(message)}\x1b\\\a"
