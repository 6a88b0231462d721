"""Live progress on a terminal: a row per model at work, totals below, outcomes above."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console as Screen
from rich.console import RenderableType
from rich.progress import Task, TaskID
from rich.text import Text

from comfyfix.disk.files import human_size, printable
from comfyfix.screen.clock import clock
from comfyfix.screen.run.bars import Bars
from comfyfix.screen.run.lines import Console
from comfyfix.screen.run.part import Part
from comfyfix.screen.run.rows import Rows
from comfyfix.screen.text import paint
from comfyfix.screen.width import wrapped
from comfyfix.screen.words import t
from comfyfix.state.journal import Phase

ROWS_SPARE = 6  # rows of the terminal left to the lines above


class Board(Bars):
    """What is at work, as many rows as there is room for, and the totals of the run."""

    def __init__(self, screen: Screen) -> None:
        self.total = self.done = self.failed = 0
        self.sizes = Sizes()
        self._screen = screen
        super().__init__(screen)  # it draws for the first time at once

    def rows(self, tasks: Sequence[Task]) -> Iterable[RenderableType]:
        """Return the rows, no more than the terminal has now, and the totals."""
        active = [task for task in tasks if task.fields["now"] != "waiting"]
        room = max(1, self._screen.height - ROWS_SPARE)
        if active:
            yield Rows(active[:room])
        if len(active) > room:
            more = t("… and {count} more", count=len(active) - room)
            yield _row(more, "dim")
        yield _row(" · ".join(self._totals(tasks, len(tasks) - len(active))), "bold")

    def _totals(self, tasks: Sequence[Task], waiting: int) -> Iterable[str]:
        yield t("{count} done", count=self.done)
        if self.failed:
            yield t("{count} failed", count=self.failed)
        yield t("{count} left", count=self.total - self.done - self.failed)
        arrived = self.sizes.done + sum(int(task.completed) for task in tasks)
        if self.sizes.total:
            line = "{arrived:size} of {size:size}"
            yield t(line, arrived=arrived, size=self.sizes.total)
        speed = sum(task.speed or 0.0 for task in tasks)
        if speed:
            yield f"{human_size(round(speed))}/s"
            ahead = max(0, self.sizes.total - arrived)
            yield t("{time} to go", time=clock(ahead / speed))
        unknown = self.total - self.done - self.failed - self.sizes.open
        if unknown > 0 and self.sizes.total:
            yield t("{count} of unknown size", count=unknown)
        if waiting:
            yield t("{count} wait for a slot", count=waiting)


class Sizes:
    """The bytes of the models of a run, as far as they are known, without those that failed.

    `total`: of what has come and what is to come.
    """

    def __init__(self) -> None:
        self._ahead: dict[str, int] = {}
        self.total = self.done = 0

    def expect(self, key: str, size: int) -> None:
        """So many bytes are to come of a model."""
        self.total += size - self._ahead.get(key, 0)
        self._ahead[key] = size

    def settled(self, key: str, *, good: bool) -> None:
        """A model is done, or has failed."""
        size = self._ahead.pop(key, 0)
        self.done += size if good else 0
        self.total -= 0 if good else size

    @property
    def open(self) -> int:
        """Of how many models that are not settled the size is known."""
        return len(self._ahead)


def _row(text: str, style: str) -> Text:
    return Text(f"  {text}", style, no_wrap=True, overflow="ellipsis")


class LiveConsole(Console):
    """A console that draws what is at work below the lines that it writes."""

    def __init__(self, log: Path, screen: Screen | None = None) -> None:
        super().__init__(log)
        # A task of the user's own may have put a buffer in the place of `sys.stdout` when it draws.
        self._board = Board(screen or Screen(file=self._out, highlight=False, soft_wrap=False))
        self._rows: dict[str, TaskID] = {}

    def begin(self, total: int) -> None:
        """Start to draw."""
        self._board.total = total
        if total:
            self._board.start()

    def end(self) -> None:
        """Stop to draw; the lines stay."""
        self._board.stop()

    def expect(self, key: str, size: int | None) -> None:
        """Count so many bytes among those that are to come."""
        super().expect(key, size)
        if size is not None:
            with self._lock:
                self._board.sizes.expect(key, size)

    def phase(
        self, key: str, name: str, now: Phase, *, size: int | None = None, path: Path | None = None
    ) -> None:
        """Say what a model is doing now."""
        super().phase(key, name, now, size=size, path=path)
        part = Part(path) if path else None
        self._take_away(key)
        self._rows[key] = self._board.add_task(
            printable(name),
            total=size,
            now=now,
            look=lambda: {"completed": part.arrived()} if part else {},
        )

    def settled(self, key: str, *, good: bool) -> None:
        """Take a model from the board."""
        super().settled(key, good=good)
        self._take_away(key)
        with self._lock:
            self._board.sizes.settled(key, good=good)
            self._board.done += good
            self._board.failed += not good

    def _take_away(self, key: str) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self._board.remove_task(row)

    def _put(self, text: str) -> None:
        with self._board.live._lock:
            self._board.console.out(text, end="", highlight=False)

    def _show(self, text: str) -> None:
        screen = self._board.console
        with self._board.live._lock:  # what is to be erased must not change meanwhile
            for row in wrapped(text, screen.width - 1):
                screen.print(Text.from_ansi(paint(row, terminal=True)), soft_wrap=True)
