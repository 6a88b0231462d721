"""What a run tells of itself while it works: one JSON line per event, for whoever follows it.

The file lies beside the log of the run. Its first line says which version it has; a line of a kind
that is not known is left out. While the run lives it holds a lock on the file, so that nobody needs
a process number to see that it has ended, however it did.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix.disk import regular
from comfyfix.state.layout import Layout

VERSION = 1
BYTES_MAX = 32_000_000
"""Bytes of a journal; a thousand models need a thirtieth of it."""
LINE_MAX = 64_000
"""Bytes of one line."""
KEPT = 30
"""Journals that stay; older ones go when a run begins."""

Phase = Literal["searching", "waiting", "downloading", "verifying"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=str.lower, tag_field="event"):
    """What has happened. `at`: seconds since 1970."""

    at: float = 0.0


class Begun(Event, frozen=True, kw_only=True):
    """A run has begun, with so many models to bring.

    `run` is its name, which orders have to tell, `control` that of its socket in `output/`, empty
    where it has none.
    """

    version: int = VERSION
    total: int = 0
    run: str = ""
    control: str = ""


class Wanted(Event, frozen=True, kw_only=True):
    """A model of this run: `n` is what other events call it. `size` in bytes, None if unknown."""

    n: int
    name: str
    folder: str = ""
    batch: int = 0
    task: str = ""
    size: int | None = None


class Workflow(Event, frozen=True, kw_only=True):
    """A workflow: the models of this run that it lacks, and how many it needs in all."""

    name: str
    lacks: tuple[int, ...] = ()
    needs: int = 0


class Expected(Event, frozen=True, kw_only=True):
    """The size of a model is known now."""

    n: int
    size: int


class Doing(Event, frozen=True, kw_only=True):
    """A model is searched, downloaded … `have`: the bytes that an earlier run has brought."""

    n: int
    phase: Phase
    size: int | None = None
    have: int = 0


class Arrived(Event, frozen=True, kw_only=True):
    """How many bytes are there of the models that are being downloaded."""

    bytes: dict[int, int]


class Said(Event, frozen=True, kw_only=True):
    """A line of the run about a model."""

    n: int
    text: str


class Failed(Event, frozen=True, kw_only=True):
    """A model has failed: what, and what helps."""

    n: int
    what: str
    next: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an uncertain model may be; `about` are its facts, `page` may be empty."""

    where: str
    about: str = ""
    url: str
    page: str = ""


class Choices(Event, frozen=True, kw_only=True):
    """The files that a model may be which has failed as uncertain."""

    n: int
    found: tuple[Choice, ...]


class Settled(Event, frozen=True, kw_only=True):
    """A model is done, or has failed."""

    n: int
    good: bool


class Verifying(Event, frozen=True, kw_only=True):
    """A batch is verified."""

    batch: int


class Judged(Event, frozen=True, kw_only=True):
    """What verification says of a model; `what` is empty where it is in order."""

    n: int
    status: str
    what: str = ""


class Ended(Event, frozen=True, kw_only=True):
    """The run is over: how many models are done and have failed. `stopped`: by somebody."""

    code: int = 0
    stopped: bool = False
    done: int = 0
    failed: int = 0


Line = (
    Begun | Wanted | Workflow | Expected | Doing | Arrived | Said | Failed | Choices | Settled
    | Verifying | Judged | Ended
)  # fmt: skip
_DECODER = msgspec.json.Decoder(Line)
_ENCODER = msgspec.json.Encoder()


def read_line(line: bytes) -> Line | None:
    """Return the event of a line, None for what is none."""
    try:
        event: Line = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return event


class Journal:
    """Writes what happens; safe to use from several threads.

    Nothing is written before `begin`, and nothing that goes wrong here is a failure of the run.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._handle = -1
        self.written = 0

    def begin(self, stamp: str, events: Iterable[Line]) -> None:
        """Open a file of its own for the run that begins at `stamp`, and say what it is about."""
        with self._lock, contextlib.suppress(OSError):
            if self._handle < 0:
                _clear(self._layout)
                self._handle = _new(self._layout, stamp)
        self.tell(*events)

    @property
    def is_open(self) -> bool:
        """Tell whether events are written."""
        return self._handle >= 0

    def tell(self, *events: Line) -> None:
        """Write events, as long as there is room for them."""
        if not self.is_open:
            return
        now = time.time()
        lines = [_ENCODER.encode(msgspec.structs.replace(e, at=e.at or now)) for e in events]
        data = b"".join(line + b"\n" for line in lines if len(line) < LINE_MAX)
        with self._lock, contextlib.suppress(OSError):
            if self._handle >= 0 and self.written + len(data) <= BYTES_MAX:
                self.written += os.write(self._handle, data)

    def end(self, ended: Ended) -> None:
        """Say that the run is over."""
        self.tell(ended)
        with self._lock, contextlib.suppress(OSError):
            handle, self._handle = self._handle, -1
            if handle >= 0:
                os.close(handle)


def _new(layout: Layout, stamp: str) -> int:
    """Make a file that nobody has, and hold it. Raises OSError."""
    folder = layout.run_log(stamp).parent
    folder.mkdir(parents=True, exist_ok=True)
    for count in range(1, 100):
        path = layout.run_events(stamp if count == 1 else f"{stamp}_{count}")
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            handle = os.open(path, flags, 0o666)
        except FileExistsError:
            continue  # another run began in the same second
        with contextlib.suppress(OSError):  # a filesystem without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle
    raise FileExistsError(stamp)


def _clear(layout: Layout) -> None:
    for path in journals(layout)[KEPT - 1 :]:
        with contextlib.suppress(OSError):
            path.unlink()


def journals(layout: Layout) -> list[Path]:
    """The journals of all runs, the newest first."""
    pattern = layout.run_events("*")
    return sorted(pattern.parent.glob(pattern.name), key=_order, reverse=True)


def _order(path: Path) -> tuple[str, int]:
    """`run_20260102_030405_2.events.jsonl` comes after the one without a count."""
    stamp, _, count = path.name.partition(".")[0].removeprefix("run_")[:48].rpartition("_")
    if "_" not in stamp:
        return f"{stamp}_{count}", 1
    return stamp, int(count) if count.isdecimal() else 1


def is_held(path: Path) -> bool:
    """Tell whether the run of a journal lives. Raises OSError."""
    with regular.opened(path) as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
