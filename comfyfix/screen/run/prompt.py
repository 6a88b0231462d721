"""A question on a terminal whose lines change while it is asked.

The terminal itself keeps editing what is typed (its line mode stays on), so there is nothing to be
put back however the program ends: the lines above are drawn by moving the cursor there and back.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Callable, Sequence

from comfyfix.screen import width
from comfyfix.screen.text import clean, on_terminal, paint, room

TICK_SECONDS = 0.25
RESTS = 60
"""So many times as long as it took to draw it waits at least, so that it costs no core its 2 %."""
AWAY_SECONDS = 3.0
"""After so long between two ticks the process was stopped: the screen may hold other things."""
ANSWER_MAX = 4096
_SAVE, _RESTORE, _REST = "\x1b7", "\x1b8", "\x1b[K"
Lines = Callable[[], Sequence[str]]


class Prompt:
    """Asks for lines below some that are drawn anew when they change."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._drawn: list[str] = []
        self._size = os.terminal_size((0, 0))
        self._moves = on_terminal()

    def ask(self, question: str) -> str | None:
        """What the user types; None where nobody is there to type any more."""
        self._draw(question)
        ticked, tick = time.monotonic(), TICK_SECONDS
        while not select.select([sys.stdin], [], [], tick)[0]:
            now, used = time.monotonic(), time.thread_time()
            if self._moves:
                self._redraw(question, away=now - ticked > tick + AWAY_SECONDS)
            ticked, tick = now, max(TICK_SECONDS, RESTS * (time.thread_time() - used))
        return read_line()

    def _draw(self, question: str) -> None:
        self._size = shutil.get_terminal_size()
        self._drawn = self._fitted()
        _put("".join(f"{paint(line)}\n" for line in self._drawn) + question)

    def _redraw(self, question: str, *, away: bool) -> None:
        if away or shutil.get_terminal_size() != self._size:
            _put("\n")  # where the old ones are now nobody knows
            self._draw(question)
            return
        lines = self._fitted()
        if lines == self._drawn or len(lines) != len(self._drawn):
            return
        self._drawn = lines
        rows = "".join(f"\r{paint(line)}{_REST}\n" for line in lines)
        _put(f"{_SAVE}\x1b[{len(lines)}A{rows}{_RESTORE}")

    def _fitted(self) -> list[str]:
        return [_fit(clean(line), room() or 1) for line in self._lines()]


def _fit(line: str, room: int) -> str:
    """Cut a line at its end: it begins with what matters most."""
    return line if width.columns(line) <= room else f"{width.beginning(line, room - 1).rstrip()}…"


def read_line() -> str | None:
    """One line from the terminal; None at its end, or where it is gone."""
    try:
        got = os.read(sys.stdin.fileno(), ANSWER_MAX)  # in line mode: one line at most
    except OSError:
        return None
    return got.decode("utf-8", "replace").strip() if got else None


def _put(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
