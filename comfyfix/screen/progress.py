"""Progress of hashing on a terminal: one line, with bytes, speed and time left."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfyfix.disk.files import human_size

if TYPE_CHECKING:
    from rich.text import Text

BAR = 12
DRAWS_PER_SECOND = 4


@dataclass(slots=True)
class Meter:
    """What is drawn: `done` is asked for the bytes and files that are done each time."""

    total: int
    files: int
    done: Callable[[], tuple[int, int]]
    _samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=20))

    def row(self) -> Text:
        """The line as it is now."""
        from rich.text import Text  # noqa: PLC0415 - for a terminal only

        from comfyfix.screen.live import WIDTH_MAX, clock, one_row  # noqa: PLC0415 - the same

        bytes_done, files_done = self.done()
        share = min(1.0, bytes_done / self.total) if self.total else 1.0
        filled = round(share * BAR)
        row = Text("  ").append("━" * filled, style="green").append("━" * (BAR - filled), "dim")
        row.append(f" {share:4.0%} of {human_size(self.total)}")
        speed = self._speed(bytes_done)
        if speed:
            row.append(f" · {human_size(round(speed))}/s")
            row.append(f" · {clock((self.total - bytes_done) / speed)} to go")
        row.append(f" · {files_done} of {self.files} files")
        return one_row(row, WIDTH_MAX)

    def _speed(self, bytes_done: int) -> float:
        """Bytes per second over the last draws."""
        self._samples.append((time.monotonic(), bytes_done))
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start else 0.0


@contextlib.contextmanager
def drawn(meter: Meter) -> Iterator[None]:
    """Draw the line below whatever is printed meanwhile; without a terminal nothing is drawn."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - 40 ms, for a terminal only
    from rich.live import Live  # noqa: PLC0415 - the same

    with Live(
        get_renderable=meter.row,
        console=Console(highlight=False, soft_wrap=True),
        refresh_per_second=DRAWS_PER_SECOND,
        transient=True,
    ):
        yield
