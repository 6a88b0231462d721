"""Live progress on a terminal: a line per model at work, totals below, outcomes above.

The scripts are not asked: how far a download is, its part file tells. Nothing is computed but
when the screen is drawn, four times a second.
"""

from __future__ import annotations

import glob
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console as Screen
from rich.console import ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from comfyfix.disk import regular
from comfyfix.disk.files import human_size, printable
from comfyfix.screen.console import Console
from comfyfix.screen.text import paint

DRAWS_PER_SECOND = 4
BAR = 12
WINDOW_SECONDS = 5.0  # over which a speed is averaged
# A row that is wider than a window after resizing is wrapped by the terminal, and what was drawn
# can't be found again to be erased; so no row needs more than the narrowest usual window.
WIDTH_MAX = 80
ROWS_SPARE = 6  # rows of the terminal left to the lines above


@dataclass(slots=True)
class Work:
    """One model at work. `size` in bytes if known; `path` where the file will be."""

    name: str
    phase: str
    size: int | None = None
    path: Path | None = None
    since: float = field(default_factory=time.monotonic)
    part: str = ""
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def look(self, now: float) -> int:
        """Bytes that have arrived; keeps what is needed for the speed."""
        if self.path is None:
            return 0
        try:
            arrived = _arrived(self.part) if self.part else 0
        except OSError:
            self.part, arrived = "", 0
        if not self.part:
            parts = glob.glob(f"{glob.escape(str(self.path))}.*.part")  # noqa: PTH207 - the same
            self.part = parts[0] if parts else ""
        self.samples.append((now, arrived))
        while len(self.samples) > 2 and now - self.samples[0][0] > WINDOW_SECONDS:  # noqa: PLR2004
            self.samples.popleft()
        return arrived

    @property
    def speed(self) -> float:
        """Bytes per second over the last seconds."""
        if len(self.samples) < 2:  # noqa: PLR2004 - two points make a speed
            return 0.0
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        return max(0.0, (after - before) / (end - start)) if end > start else 0.0


def _arrived(part: str) -> int:
    """Bytes of a part file that are there. Raises OSError when the part is not.

    Where several connections write to it, a list beside it tells their ranges.
    """
    size = os.stat(part).st_size  # noqa: PTH116 - a glob's answer
    try:
        told = regular.text(Path(part).with_suffix(".have"), encoding="ascii").splitlines()
        ranges = [line.split() for line in told if line[:1].isdigit()]
        return sum(int(end) - int(start) for start, end in ranges)
    except (OSError, ValueError):  # none is kept, or it is just being replaced
        return size


class LiveConsole(Console):
    """A console that draws what is at work below the lines that it writes."""

    def __init__(self, log: Path, screen: Screen | None = None) -> None:
        super().__init__(log)
        self._screen = screen or Screen(highlight=False, soft_wrap=False)
        # A lock of its own, never held while printing: the thread that draws holds the screen's
        # lock when it asks for the board.
        self._board_lock = threading.Lock()
        self._work: dict[str, Work] = {}
        self._total = self._done = self._failed = 0
        self._live = Live(
            get_renderable=self._board,
            console=self._screen,
            refresh_per_second=DRAWS_PER_SECOND,
            transient=True,
        )

    def begin(self, total: int) -> None:
        """Start to draw."""
        self._total = total
        if total:
            self._live.start()

    def end(self) -> None:
        """Stop to draw; the lines stay."""
        self._live.stop()

    def phase(
        self, key: str, name: str, phase: str, *, size: int | None = None, path: Path | None = None
    ) -> None:
        """Say what a model is doing now."""
        with self._board_lock:
            self._work[key] = Work(name=printable(name), phase=phase, size=size, path=path)

    def settled(self, key: str, *, good: bool) -> None:
        """Take a model from the board."""
        with self._board_lock:
            self._work.pop(key, None)
            self._done += good
            self._failed += not good

    def _show(self, text: str) -> None:
        indent = len(text) - len(text.lstrip())
        hang = " " * (indent + 2)
        line = Text.from_ansi(paint(text.lstrip(), terminal=True))
        room = max(20, self._screen.width - len(hang))
        for number, piece in enumerate(line.wrap(self._screen, room)):
            self._screen.print(Text(" " * indent if number == 0 else hang).append_text(piece))

    def _board(self) -> Board:
        now = time.monotonic()
        with self._board_lock:
            works = sorted(self._work.values(), key=lambda work: work.since)
            rows = [(work, work.look(now)) for work in works]
            left = self._total - self._done - self._failed
            return Board(rows, self._done, self._failed, left)


@dataclass(frozen=True, slots=True)
class Board:
    """What is drawn: rows of (work, bytes arrived), and the counts of the run."""

    rows: list[tuple[Work, int]]
    done: int
    failed: int
    left: int

    def __rich_console__(self, screen: Screen, options: ConsoleOptions) -> RenderResult:
        """Draw no wider and no higher than the terminal is now."""
        width = min(options.max_width, WIDTH_MAX)
        room = max(1, screen.size.height - ROWS_SPARE)
        active = [row for row in self.rows if row[0].phase != "waiting"]
        waiting = len(self.rows) - len(active)
        for work, arrived in active[:room]:
            yield one_row(_row(work, arrived, width), width)
        more = len(active) - room
        if more > 0:
            yield one_row(Text(f"  … and {more} more", style="dim"), width)
        yield one_row(self._totals(waiting), width)

    def _totals(self, waiting: int) -> Text:
        speed = sum(work.speed for work, _ in self.rows)
        ahead = sum((work.size or 0) - arrived for work, arrived in self.rows if work.size)
        parts = [f"{self.done} done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        parts.append(f"{self.left} left")
        if waiting:
            parts.append(f"{waiting} wait for a slot")
        if speed:
            parts.append(f"{human_size(round(speed))}/s")
            parts.append(f"{clock(ahead / speed)} to go")
        return Text("  " + " · ".join(parts), style="bold")


def _row(work: Work, arrived: int, width: int) -> Text:
    name = Text(work.name)
    name.truncate(max(16, width // 3), overflow="ellipsis", pad=True)
    row = Text("  ").append_text(name).append("  ")
    if work.phase != "downloading":
        row.append(f"{work.phase:<{BAR}} ")
        return row.append(f"{time.monotonic() - work.since:4.0f} s", style="dim")
    if work.size:
        share = min(1.0, arrived / work.size)
        filled = round(share * BAR)
        row.append("━" * filled, style="green").append("━" * (BAR - filled), style="dim")
        row.append(f" {share:4.0%} of {human_size(work.size)}")
    else:
        row.append(human_size(arrived))
    if work.speed:
        row.append(f"  {human_size(round(work.speed))}/s")
        if work.size:
            row.append(f"  {clock((work.size - arrived) / work.speed)}", style="dim")
    return row


def one_row(row: Text, width: int) -> Text:
    """Cut a row to the width of the terminal."""
    row.no_wrap = True
    row.truncate(max(1, width - 1), overflow="ellipsis")
    return row


def clock(seconds: float) -> str:
    """`1:02:03` or `4:05`."""
    whole = int(max(0, min(seconds, 359_999)))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
