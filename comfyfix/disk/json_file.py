"""State files: read leniently, changed under a lock, written whole.

A file that is deleted or half written is put aside and counts as empty: everything in it can be
found out again, and no rerun may fail because of it. One that a newer program has written is left
to that program.
"""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import msgspec

from comfyfix.disk import looked, regular
from comfyfix.disk.files import write_atomic
from comfyfix.disk.looked import Stamp, stamp_of
from comfyfix.errors import SetupProblem
from comfyfix.records import to_json
from comfyfix.why import Why

T = TypeVar("T", bound=msgspec.Struct)
LOCK_SECONDS = 60.0
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
LARGE = 256_000
"""Bytes of a file that is written at once, whoever has written it a moment ago."""
REST_SECONDS = 2e-7
"""For each byte of a larger one, until it is written again: two seconds for ten megabytes."""
REST_MAX = 4.0
"""Seconds, at the most."""
_threads = threading.Lock()
_turns: dict[Path, _Turns] = {}


class _Versioned(msgspec.Struct):
    version: int = 0


def read(path: Path | str, kind: type[T]) -> T | None:
    """Read one state file; None when it is absent, half written, or of an older version.

    Raises OSError when it is there and the system can't read it: that is no loss of state. Raises
    SetupProblem when a newer program has written it.
    """
    try:
        data = regular.read(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, regular.NotRegular):
        return None
    try:  # a thousand times on every command
        return msgspec.json.decode(data, type=kind)
    except _UNREADABLE:
        _require_known(path, data, kind)
        return None


def cached(path: Path | str, kind: type[T]) -> T | None:
    """Read a file that costs nothing but time to lose; None also when it is of a newer version."""
    try:
        return read(path, kind)
    except SetupProblem:
        return None


def keep(path: Path, value: msgspec.Struct) -> None:
    """Write what `cached` reads; where that can't be, the next command is slower, no more."""
    with contextlib.suppress(OSError):
        write_atomic(path, msgspec.json.encode(value))


def _require_known(path: Path | str, data: bytes, kind: type[T]) -> None:
    found = 0
    with contextlib.suppress(*_UNREADABLE):
        found = msgspec.json.decode(data, type=_Versioned).version
    known = next((f.default for f in msgspec.structs.fields(kind) if f.name == "version"), found)
    if found > known:
        raise SetupProblem(Why.STATE_NEWER, path=path, found=found, known=known)


@contextlib.contextmanager
def locked(lock: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock that other processes know; raises OSError, also where it is not to be had."""
    from filelock import FileLock  # 50 ms, and most commands write nothing

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, timeout=seconds)
    try:
        held.acquire()
    except NotImplementedError as error:  # what filelock raises where the filesystem has no locks
        raise OSError(errno.ENOTSUP, str(error), str(lock)) from None
    try:
        yield
    finally:
        held.release()


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """What a state file held when its stamp was this one; the content is shared, and stays so."""

    content: T
    stamp: Stamp


def change(path: Path, lock: Path, kind: type[T], default: Callable[[], T],
           update: Callable[[T], T | None]) -> Written[T]:  # fmt: skip
    """Read, update and write one state file while no other thread or process does.

    `default` makes the content of an absent or unreadable file. `update` may change what it is
    given, which nobody else has; it returns what is to be written, None where nothing is. What
    other threads want of the same file meanwhile is written in one go: see `_Turns`. Raises
    OSError, SetupProblem.
    """
    turns = _turns.setdefault(path, _Turns())
    wish = _Wish(update)
    turns.wishes.put(wish)
    with turns.lock:  # one writes, for all that wait here
        if not wish.settled:
            turns.wait()
            turns.settle(path, lock, kind, default)
    if wish.problem is not None:
        raise wish.problem
    result: Written[T] = wish.result
    return result


class _Wish:
    """What one thread wants of a file, and what came of it."""

    def __init__(self, update: Callable[[Any], Any]) -> None:
        self.update = update
        self.settled = False
        self.result: Any = None
        self.problem: BaseException | None = None


class _Turns:
    """The changes of one file in this process.

    Each writes the whole file. Of a large one that would be most of what a run of many thousand
    models does, so it is written now and then, with all that is wanted by then. A thread that has
    no others beside it waits for nobody.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wishes: SimpleQueue[_Wish] = SimpleQueue()
        self._not_before = 0.0

    def wait(self) -> None:
        """Let others come along, if the file was written a moment ago and is large."""
        pause = self._not_before - time.monotonic()
        if pause > 0 and threading.current_thread() is not threading.main_thread():
            time.sleep(pause)

    def settle(self, path: Path, lock: Path, kind: type[T], default: Callable[[], T]) -> None:
        """Do all that is wanted by now."""
        some: list[_Wish] = []
        with contextlib.suppress(Empty):
            while True:
                some.append(self.wishes.get_nowait())
        try:
            # The file lock is for other processes; the one inside this process keeps threads in
            # order where the filesystem ignores file locks.
            with _threads, locked(lock):
                size = _changed(path, kind, default, some)
        except Exception as problem:  # noqa: BLE001 - each hears it in its own thread
            size = 0
            for wish in some:
                wish.problem = wish.problem or problem
        except BaseException:  # we are stopped; the others do it themselves
            for wish in some:
                self.wishes.put(wish)
            raise
        rest = min(size * REST_SECONDS, REST_MAX) if size > LARGE else 0.0
        self._not_before = time.monotonic() + rest
        for wish in some:
            wish.settled = True


def _changed(path: Path, kind: type[T], default: Callable[[], T], some: list[_Wish]) -> int:
    """Change a file as it is wanted; returns its size."""
    content = read(path, kind)
    fresh = content is None
    if content is None:
        _put_aside(path)
        content = default()
    for wish in some:
        try:
            updated = wish.update(content)
        except Exception as problem:  # noqa: BLE001 - raised where it was wanted
            wish.problem = problem
        else:
            content, fresh = (content, fresh) if updated is None else (updated, True)
    data = b""
    if fresh:
        data = to_json(content)
        write_atomic(path, data)
    written = Written(content, stamp_of(looked.at(path)))
    for wish in some:
        wish.result = written
    return len(data)


def _put_aside(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.replace(path.with_name(path.name + ".damaged"))


def now() -> str:
    """Return the time of an event, for people: UTC, to the second."""
    return at(datetime.now(UTC).timestamp())


def at(seconds: float) -> str:
    """Return a time of the system as `now` tells it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
