"""Bars on a terminal: rich's, with figures that are asked for only when they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console as Screen
from rich.console import RenderableType
from rich.constrain import Constrain
from rich.progress import Progress, ProgressColumn, Task
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from comfyfix.disk.files import human_size
from comfyfix.screen.clock import clock
from comfyfix.screen.words import t

DRAWS_PER_SECOND = 2
BAR = 12
WINDOW_SECONDS = 5.0  # over which a speed is averaged
# A row that is wider than a window after resizing is wrapped by the terminal, and what was drawn
# can't be found again to be erased; so no row needs more than the narrowest usual window.
WIDTH_MAX = 79


class CellColumn(ProgressColumn):
    """A column of what a function draws of a task."""

    def __init__(self, draw: Callable[[Task], RenderableType], style: str = "") -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis", style=style))
        self._draw = draw

    def render(self, task: Task) -> RenderableType:
        """Draw one cell."""
        cell = self._draw(task)
        return Text(cell) if isinstance(cell, str) else cell  # a name may look like rich's markup


class Bars(Progress):
    """Rows of bars. The field `look` of a task returns what is to be updated in it."""

    def __init__(self, screen: Screen, *columns: ProgressColumn) -> None:
        super().__init__(
            *columns,
            console=screen,
            refresh_per_second=DRAWS_PER_SECOND,
            speed_estimate_period=WINDOW_SECONDS,
            transient=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what is drawn, as it is now."""
        with self._lock:
            for task in self.tasks:
                self.update(task.id, **task.fields["look"]())
            for row in self.rows(self.tasks):
                yield Constrain(row, WIDTH_MAX)

    def rows(self, tasks: Sequence[Task]) -> Iterable[RenderableType]:
        """Return what is drawn of these tasks."""
        yield self.make_tasks_table(tasks)


def bar(task: Task) -> ProgressBar:
    """How far it is; where no one knows the size, a bar that moves."""
    return ProgressBar(
        total=task.total,
        completed=task.completed,
        width=BAR,
        style="dim",
        complete_style="green",
        finished_style="green",
        animation_time=task.get_time(),
    )


def amount(task: Task) -> str:
    """How much has been done, of how much."""
    if not task.total:
        return human_size(int(task.completed))
    share = f"{task.percentage:3.0f}%"
    return t("{share} of {size:size}", share=share, size=int(task.total))


def speed(task: Task) -> str:
    """Bytes per second."""
    return f"{human_size(round(task.speed))}/s" if task.speed else ""


def left(task: Task) -> str:
    """The time that it still takes."""
    return "" if task.time_remaining is None else clock(task.time_remaining)
