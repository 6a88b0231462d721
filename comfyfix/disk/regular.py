"""Files that another could have placed: opened without waiting, only regular ones, up to a bound.

A pipe without a writer would keep whoever opens it for ever, a device may have no end, and a file
may be larger than memory. Links are followed, as ComfyUI does; what they lead to has to be regular.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from comfyfix.disk import looked
from comfyfix.records import because
from comfyfix.why import Why

STATE_MAX = 256_000_000
"""Bytes of a state file; a store of a hundred thousand models needs a tenth of it."""
NOTE_MAX = 1_000_000
"""Bytes of a file that holds a few words or lines."""

_PIECE = 1 << 16  # most files of ours are smaller: one read, without a stream


class NotRegular(OSError):
    """It is a pipe, a device, a socket, a link to itself, or larger than anything of its kind."""

    def __init__(self, path: Path | str, why: Why = Why.NOT_REGULAR, **fields: object) -> None:
        self.reason = because(why, **fields)
        super().__init__(errno.EINVAL, os.strerror(errno.EINVAL), str(path))


def opened(path: Path | str, limit: int | None = None) -> BinaryIO:
    """Open a regular file for reading, of at most `limit` bytes. Raises OSError."""
    return os.fdopen(_handle(path, limit), "rb")


def untouched(path: Path | str) -> BinaryIO:
    """Open as `opened` does, and leave the time when it was last read as it is, where we may."""
    try:
        quietly = os.O_RDONLY | getattr(os, "O_NOATIME", 0)
        return os.fdopen(_handle(path, None, quietly), "rb", buffering=0)
    except PermissionError:  # that is for the owner of a file
        return os.fdopen(_handle(path, None), "rb", buffering=0)


def read(path: Path | str, limit: int = STATE_MAX) -> bytes:
    """Return what a regular file holds. Raises OSError."""
    handle = _handle(path, limit)
    try:
        data = os.read(handle, _PIECE)
        if len(data) == _PIECE:
            with os.fdopen(handle, "rb", closefd=False) as stream:
                data += stream.read(max(0, limit - _PIECE + 1))
    finally:
        os.close(handle)
    if len(data) > limit:  # it has grown while it was read
        raise NotRegular(path, Why.TOO_LARGE, limit=limit)
    return data


def append(path: Path | str, data: bytes) -> None:
    """Add to the end of a regular file, at once; it is made where there is none. Raises OSError."""
    handle = _handle(path, None, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, data)
    finally:
        os.close(handle)


def _handle(path: Path | str, limit: int | None, mode: int = os.O_RDONLY) -> int:
    try:
        handle = os.open(path, mode | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, 0o666)
    except OSError as error:
        looked.note(path, None)
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link to itself; a socket
            raise NotRegular(path) from None
        raise
    try:
        info = os.fstat(handle)
        if not mode & (os.O_WRONLY | os.O_CREAT):  # what is written is no ground of anything
            looked.note(path, info)
        if stat.S_ISDIR(info.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(info.st_mode):
            raise NotRegular(path)
        if limit is not None and info.st_size > limit:
            raise NotRegular(path, Why.TOO_LARGE, limit=limit)
    except BaseException:
        os.close(handle)
        raise
    return handle


def text(path: Path | str, limit: int = NOTE_MAX, encoding: str = "utf-8") -> str:
    """Return the text of a regular file. Raises OSError, UnicodeDecodeError."""
    return read(path, limit).decode(encoding)
