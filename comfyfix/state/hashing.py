"""Hashing many files side by side: each content once, each hash kept at once, stoppable."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from comfyfix.disk.files import sha256_of
from comfyfix.state.hashes import HashLog

Identity = tuple[int, int] | str


class FileChanged(OSError):
    """A file changed while it was read: nothing can be said of it now."""


class Halted(Exception):
    """Hashing was stopped."""


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def identity_of(path: str, info: os.stat_result) -> Identity:
    """What two names of one file share; a filesystem without inodes has its path alone."""
    return (info.st_dev, info.st_ino) if info.st_ino else path


class Hasher:
    """Gives the sha256 of files, from the log where they have not changed. For many threads.

    `anew` leaves aside what the log says.
    """

    def __init__(self, log: HashLog, *, anew: bool = False) -> None:
        self.log = log
        self._anew = anew
        self._lock = threading.Lock()
        self._halt = threading.Event()
        self._busy: dict[Identity, threading.Lock] = {}
        self._fresh: dict[tuple[Identity | int, ...], str] = {}
        self._under_way: dict[int, int] = {}  # bytes by thread

    def __call__(self, path: Path) -> str:
        """The sha256 of a file. Raises OSError, FileChanged, Halted."""
        info = path.stat()
        identity = identity_of(str(path), info)
        key = (identity, *_stamp(info))
        with self._lock:
            busy = self._busy.setdefault(identity, threading.Lock())
        with busy:  # another name of the same file waits here, and finds its hash
            digest = self._fresh.get(key)
            if digest is None and not self._anew:
                digest = self.log.find(str(path), info)
            if digest is None:
                digest = self._read(path, info)
            self._fresh[key] = digest
        if self.log.find(str(path), info) != digest:
            self.log.keep(str(path), info, digest)
        return digest

    def halt(self) -> None:
        """Let every call that is under way end soon, and every further one at once."""
        self._halt.set()

    def under_way(self) -> int:
        """The bytes that are hashed of files whose hash is not known yet."""
        with self._lock:
            return sum(self._under_way.values())

    def _read(self, path: Path, info: os.stat_result) -> str:
        thread = threading.get_ident()

        def passed(count: int) -> None:
            if self._halt.is_set():
                raise Halted
            with self._lock:
                self._under_way[thread] = self._under_way.get(thread, 0) + count

        try:
            digest = sha256_of(path, passed)
        finally:
            with self._lock:
                self._under_way.pop(thread, None)
        if _stamp(path.stat()) != _stamp(info):
            raise FileChanged
        return digest


def _stamp(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
