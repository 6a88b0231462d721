"""What people see: one plain line per event, on the screen and in the run's log.

Searches and downloads run side by side, so lines of several models come mixed. A line that
does not follow a line of the same model names its model at the end.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from comfyfix.disk import regular
from comfyfix.screen.ends import mute
from comfyfix.screen.text import clean, laid_out, on_terminal, paint
from comfyfix.screen.words import fixed, t

if TYPE_CHECKING:
    from comfyfix.screen.run.following import Follower
    from comfyfix.state.journal import Phase


class Console:
    """Writes plain lines; safe to use from several threads.

    They go to `out`, at first stdout: it is held from the beginning, since doit puts a buffer in
    the place of `sys.stdout` while a task of the user's own is done.
    """

    def __init__(self, log: Path, out: TextIO | None = None) -> None:
        self._log = log
        self._out = sys.stdout if out is None else out
        self._is_stdout = self._out is sys.stdout
        self._is_terminal = self._is_stdout and on_terminal()
        self._lock = threading.Lock()
        self._last = ""
        self._started = 0
        self._muted = False
        self.follower: Follower | None = None

    def begin(self, total: int) -> None:
        """A run begins, with so many models to bring."""

    def end(self) -> None:
        """The run is over; the summary follows."""

    def phase(
        self,
        key: str,
        name: str,  # noqa: ARG002 - a board shows it
        now: Phase,
        *,
        size: int | None = None,
        path: Path | None = None,
    ) -> None:
        """A model is `searching`, `waiting`, `downloading` or `verifying` now."""
        if self.follower is not None:
            self.follower.phase(key, now, size, path)

    def expect(self, key: str, size: int | None) -> None:
        """So many bytes are to come of a model; None: nobody knows."""
        if self.follower is not None:
            self.follower.expect(key, size)

    def settled(self, key: str, *, good: bool) -> None:
        """A model is done, or has failed."""
        if self.follower is not None:
            self.follower.settled(key, good=good)

    def processing(self, name: str, key: str, total: int) -> None:
        """Begin a model: `[3/21] Processing: rife49.pth`."""
        with self._lock:
            self._started += 1
            line = "[{number}/{total}] Processing: {name}"
            self._write(fixed(line, number=self._started, total=total, name=name))
            self._last = key

    def of_model(self, key: str, name: str, text: str) -> None:
        """Write a line that belongs to a model; `name` is empty where the text tells it."""
        with self._lock:
            says_whose = self._last == key or not name
            self._write(f"  {text}" if says_whose else f"  {text}  [{name}]")
            self._last = key
        if self.follower is not None:
            self.follower.said(key, clean(text))

    def line(self, text: str) -> None:
        """Write a line of its own."""
        with self._lock:
            self._last = ""
            self._write(text)

    def text(self, text: str) -> None:
        """Write whole lines that are not ours, as they are."""
        with self._lock:
            self._last = ""
            if not self._muted:
                self._put(text)

    def log(self, text: str) -> None:
        """Write a line to the log only."""
        with self._lock:
            self._to_log(clean(text))

    def mute(self) -> None:
        """Stop showing lines: what still happens in threads while stopping is no news.

        Called by a signal handler, so it takes no lock.
        """
        self._muted = True

    def _write(self, text: str) -> None:
        # The one place that every line passes: names and answers from outside can't move the
        # cursor or begin a command for whoever reads this output.
        text = clean(text)
        self._to_log(text)
        if not self._muted:
            self._show(text)

    def _show(self, text: str) -> None:
        if self._out.closed:  # doit closes the file of `-o` before the results are published
            with contextlib.suppress(OSError):  # a pipe, whose reader may be gone
                line = f"{text}\n".encode("utf-8", "backslashreplace")
                regular.append(Path(self._out.name), line)
            return
        for row in laid_out(text, self._out):
            self._put(f"{paint(row, terminal=self._is_terminal)}\n")

    def _put(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except OSError as error:
            # The run goes on, and its log is whole.
            self._muted = True
            if self._is_stdout:
                mute(1)
            if not isinstance(error, BrokenPipeError):  # a reader (`| head`) has seen enough
                line = "! The screen can't be written: {cause}; see {log}"
                warning = t(line, cause=error.strerror or "", log=str(self._log))
                with contextlib.suppress(OSError):
                    print(warning, file=sys.stderr)  # noqa: T201 - what is left of the screen

    def _to_log(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk must not stop the run that reports it
            self._log.parent.mkdir(parents=True, exist_ok=True)
            line = f"{time.strftime('%H:%M:%S')} {text}\n"
            regular.append(self._log, line.encode("utf-8", "backslashreplace"))
