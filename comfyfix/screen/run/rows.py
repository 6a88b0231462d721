"""Rows of models at work, made of plain pieces: a table of rich's would cost several times as much.

Thirty downloads are drawn twice a second, beside what they need themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console as Screen
from rich.console import ConsoleOptions
from rich.progress import Task
from rich.segment import Segment
from rich.style import Style

from comfyfix.screen import width
from comfyfix.screen.run import bars
from comfyfix.screen.words import t

NAME = 26  # columns of a model's name
_DIM, _GREEN = Style(dim=True), Style(color="green")
_FULL, _PLAIN = "━", "-"
_RUNNER = 4
"""Columns of the piece that moves where no one knows the size."""


class Rows:
    """A row for each of these tasks, in columns."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks

    def __rich_console__(self, screen: Screen, options: ConsoleOptions) -> Iterable[Segment]:
        """Draw them."""
        sign = _PLAIN if options.ascii_only else _FULL
        cells = [(_amount(task), bars.speed(task), bars.left(task)) for task in self._tasks]
        wide = [max(map(width.columns, column)) for column in zip(*cells, strict=True)]
        names = width.cut_apart([task.description for task in self._tasks], NAME)
        for name, task, (amount, speed, left) in zip(names, self._tasks, cells, strict=True):
            yield Segment(f"  {width.padded(name, NAME)} ")
            yield from _doing(task, sign)
            dim = None if task.fields["now"] == "downloading" else _DIM
            yield Segment(f" {width.padded(amount, wide[0])}", dim)
            yield Segment(f" {width.padded(speed, wide[1])}")
            yield Segment(f" {left}", _DIM)
            yield Segment.line()


def _doing(task: Task, sign: str) -> Iterator[Segment]:
    """How far it is; where no one knows the size, a piece that moves."""
    now: str = task.fields["now"]
    if now != "downloading":
        yield Segment(width.padded(width.cut(t(now), bars.BAR), bars.BAR))
        return
    if task.total:
        begin, end = 0, min(bars.BAR, int(bars.BAR * task.completed / task.total))
    else:
        begin = int(task.get_time() * bars.DRAWS_PER_SECOND) % (bars.BAR - _RUNNER + 1)
        end = begin + _RUNNER
    yield Segment(sign * begin, _DIM)
    yield Segment(sign * (end - begin), _GREEN)
    yield Segment(sign * (bars.BAR - end), _DIM)


def _amount(task: Task) -> str:
    if task.fields["now"] == "downloading":
        return bars.amount(task)
    return f"{task.elapsed or 0:4.0f} s"
