"""Progress of hashing on a terminal: one line, with bytes, speed, time left and files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from comfyfix.screen.text import on_terminal
from comfyfix.screen.words import t


@contextlib.contextmanager
def drawn(total: int, files: int, done: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """Draw a line below whatever is printed meanwhile; without a terminal nothing is drawn.

    `done` is asked for the bytes and files that are done each time.
    """
    if not on_terminal():
        yield
        return
    from rich.console import Console  # 40 ms, for a terminal only

    from comfyfix.screen.run.bars import Bars, CellColumn, amount, bar, left, speed

    columns = (
        CellColumn(lambda _: " "),
        CellColumn(bar),
        CellColumn(amount),
        CellColumn(speed),
        CellColumn(left, style="dim"),
        CellColumn(lambda task: task.fields["count"]),
    )

    def look() -> dict[str, object]:
        size, complete = done()
        return {
            "completed": size,
            "count": t("{done} of {files:files}", done=complete, files=files),
        }

    with Bars(Console(highlight=False, soft_wrap=True), *columns) as bars:
        bars.add_task("", total=total, look=look, count="")
        yield
