"""The newest run of a project, followed by its journal; where none is at work, its report.

The files are opened with suspicion, as what another could have placed: regular ones, bounded, never
waited for. Nothing is ever written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

from comfyfix.dashboard.board import Board, Flow, Head, Row
from comfyfix.disk import regular
from comfyfix.screen.results.shape import ReportFile
from comfyfix.state import journal
from comfyfix.state.layout import Layout

PIECE = 1 << 20
"""Bytes that are read at once."""
PAST_MAX = 20
"""Runs that are told of."""
REPORT_MAX = 64_000_000
SLOW_SECONDS = 1.0
"""How often is looked for another run, and whether the one that is followed lives."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A run of before. `code` is None where it has not come to its end."""

    at: float
    total: int
    seconds: float = 0.0
    done: int = 0
    failed: int = 0
    code: int | None = None
    stopped: bool = False


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the page is told: all of it, or what has changed. `whole`: forget what was before."""

    whole: bool = False
    head: Head | None = None
    models: list[Row] = []
    flows: list[Flow] = []
    step: int = 0
    rates: list[int] = []
    past: list[Past] | None = None


class Tail:
    """The lines of a journal, as they are written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: BinaryIO = regular.opened(path, journal.BYTES_MAX)
        self._unfinished = b""
        self._readable = journal.BYTES_MAX

    def lines(self) -> list[bytes]:
        """What has been written since; one that is not whole yet waits."""
        piece = os.read(self._stream.fileno(), min(PIECE, self._readable))
        self._readable -= len(piece)
        *lines, rest = (self._unfinished + piece).split(b"\n")
        self._unfinished = rest if len(rest) <= journal.LINE_MAX else b""
        return lines

    def is_held(self) -> bool:
        """Tell whether its run lives."""
        handle = self._stream.fileno()
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # it is held; or the filesystem has no locks, and nobody can tell
            return True
        fcntl.flock(handle, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Let go of it."""
        self._stream.close()


class Follow:
    """What is to be shown of one project."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._tail: Tail | None = None
        self._board = Board()
        self._past: list[Past] = []
        self._shown_head = Head()
        self._shown_chart: tuple[int, list[int]] = (0, [])
        self._report_mtime = 0
        self._next_slow = 0.0

    def look(self) -> Shown | None:
        """Look at what has been written; return what has changed, None for nothing."""
        now = time.monotonic()
        anew = False
        if now >= self._next_slow:
            self._next_slow = now + SLOW_SECONDS
            anew = self._turn_to_newer()
            self._require_alive()
        self._read()
        if self._board.head.state != "running":
            anew = self._take_report() or anew
        changes = self._changes()
        return self.whole() if anew else changes

    def close(self) -> None:
        """Let go of what is followed."""
        if self._tail is not None:
            self._tail.close()

    def whole(self) -> Shown:
        """All of it."""
        board = self._board
        return Shown(
            whole=True, head=board.head, models=list(board.rows.values()),
            flows=list(board.flows.values()), step=board.chart.step, rates=board.chart.rates,
            past=self._past,
        )  # fmt: skip

    @property
    def head(self) -> Head:
        """The run as a whole."""
        return self._board.head

    def _changes(self) -> Shown | None:
        rows, flows = self._board.changes()
        head = self._board.head
        chart = step, rates = self._board.chart.step, self._board.chart.rates
        new_head = head if head != self._shown_head else None
        new_rates = rates if chart != self._shown_chart else []
        self._shown_head, self._shown_chart = head, chart
        if not (rows or flows or new_head or new_rates):
            return None
        return Shown(head=new_head, models=rows, flows=flows, step=step, rates=new_rates)

    def _turn_to_newer(self) -> bool:
        """Turn to a newer run, if there is one."""
        paths = journal.journals(self._layout)
        tail = self._newest(paths)
        if tail is None:
            return False
        if self._tail is not None:
            self._tail.close()
        self._tail, self._board, self._report_mtime = tail, Board(), 0
        earlier = [path for path in paths if path != tail.path][:PAST_MAX]
        self._past = [past for path in earlier if (past := past_run(path))]
        self._read()
        return True

    def _newest(self, paths: list[Path]) -> Tail | None:
        """The newest journal that can be read, None where it is followed already."""
        for path in paths:
            if self._tail is not None and self._tail.path == path:
                return None
            with contextlib.suppress(OSError):
                return Tail(path)
        return None

    def _read(self) -> None:
        if self._tail is None:
            return
        with contextlib.suppress(OSError):
            while lines := self._tail.lines():
                for line in lines:
                    event = journal.read_line(line)
                    if event is not None:
                        self._board.take(event)

    def _require_alive(self) -> None:
        """A run that was killed has told nothing of its end."""
        if self._tail is not None and self._board.head.state == "running":
            self._read()
            if not self._tail.is_held():
                self._read()  # it may have ended since
                if self._board.head.state == "running":
                    self._board.ended("gone", 0.0, 0)

    def _take_report(self) -> bool:
        """Show the report, if there is one of the run or a newer one, and it has changed."""
        try:
            info = os.stat(self._layout.report / "report.json")
            if info.st_mtime_ns == self._report_mtime or info.st_mtime < self._board.head.at:
                return False
            data = regular.read(self._layout.report / "report.json", REPORT_MAX)
            report = msgspec.json.decode(data, type=ReportFile)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        self._report_mtime = info.st_mtime_ns
        self._board.reported(report)
        return True


def past_run(path: Path) -> Past | None:
    """What the first and the last line of a journal tell; None for what is no journal."""
    try:
        with regular.opened(path, journal.BYTES_MAX) as stream:
            begun = journal.read_line(stream.readline(journal.LINE_MAX))
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - journal.LINE_MAX))
            last = stream.read(journal.LINE_MAX).rstrip(b"\n").rpartition(b"\n")[2]
    except OSError:
        return None
    if not isinstance(begun, journal.Begun):
        return None
    ended = journal.read_line(last)
    if not isinstance(ended, journal.Ended):
        return Past(at=begun.at, total=begun.total)
    return Past(
        at=begun.at, total=begun.total, seconds=max(0.0, ended.at - begun.at), done=ended.done,
        failed=ended.failed, code=ended.code, stopped=ended.stopped,
    )  # fmt: skip
