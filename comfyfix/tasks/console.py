"""What people see: one plain line per event, on the screen and in the run's log.

Searches and downloads run side by side, so lines of several models come mixed. A line that
does not follow a line of the same model names its model at the end.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

GREEN, RED, YELLOW, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"


class Console:
    """Writes lines; safe to use from several threads."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._last = ""
        self._started = 0
        self._muted = False

    def processing(self, name: str, key: str, total: int) -> None:
        """Begin a model: `[3/21] Processing: rife49.pth`."""
        with self._lock:
            self._started += 1
            self._write(f"[{self._started}/{total}] Processing: {name}")
            self._last = key

    def of_model(self, key: str, name: str, text: str) -> None:
        """Write a line that belongs to a model; `name` is empty where the text tells it."""
        with self._lock:
            known = self._last == key or not name
            self._write(f"  {text}" if known else f"  {text}  [{name}]")
            self._last = key

    def line(self, text: str) -> None:
        """Write a line of its own."""
        with self._lock:
            self._last = ""
            self._write(text)

    def log(self, text: str) -> None:
        """Write a line to the log only."""
        with self._lock:
            self._to_log(text)

    def mute(self) -> None:
        """Stop showing lines: what still happens in threads while stopping is no news."""
        with self._lock:
            self._muted = True

    def _write(self, text: str) -> None:
        self._to_log(text)
        if self._muted:
            return
        # Looked up each time: doit's json reporter puts a buffer in its place.
        print(paint(text), file=sys.stdout, flush=True)  # noqa: T201 - this is the screen

    def _to_log(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk must not stop the run that reports it
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8", errors="backslashreplace") as log:
                stamp = time.strftime("%H:%M:%S")
                log.write(f"{stamp} {text}\n")


def paint(text: str) -> str:
    """Colour marks and headings on a terminal, unless NO_COLOR is set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    for mark, colour in (("✓", GREEN), ("✗", RED), ("!", YELLOW)):
        lead = text[: len(text) - len(text.lstrip())]
        if text.lstrip().startswith(mark + " "):
            return f"{lead}{colour}{mark}{PLAIN}{text.lstrip()[1:]}"
    if text.isupper():
        return f"{BOLD}{text}{PLAIN}"
    return text
