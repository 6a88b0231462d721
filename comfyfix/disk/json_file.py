"""State files: read leniently, changed under a lock, written whole.

A file that is deleted or half written is put aside and counts as empty: everything in it can be
found out again, and no rerun may fail because of it. One that a newer program has written is left
to that program.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from comfyfix.disk import regular
from comfyfix.disk.files import write_atomic
from comfyfix.errors import SetupProblem
from comfyfix.records import to_json
from comfyfix.why import Why

T = TypeVar("T", bound=msgspec.Struct)
LOCK_SECONDS = 60.0
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_threads = threading.Lock()


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


def change(path: Path, lock: Path, kind: type[T], default: Callable[[], T],
           update: Callable[[T], T]) -> T:  # fmt: skip
    """Read, update and write one state file while no other thread or process does.

    `default` makes the content of an absent or unreadable file. Raises OSError, SetupProblem.
    """
    # The file lock is for other processes; one inside this process keeps threads in order
    # where the filesystem ignores file locks.
    with _threads, locked(lock):
        known = read(path, kind)
        if known is None:
            _put_aside(path)
            known = default()
        updated = update(known)
        if updated is not known or not path.exists():
            write_atomic(path, to_json(updated))
        return updated


def _put_aside(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.replace(path.with_name(path.name + ".damaged"))


def now() -> str:
    """Return the time of an event, for people: UTC, to the second."""
    return at(datetime.now(UTC).timestamp())


def at(seconds: float) -> str:
    """Return a time of the system as `now` tells it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
