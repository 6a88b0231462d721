"""A file that is looked at and changed by nobody else meanwhile, as far as that can be had.

It is opened by its place below a store, step by step, with the lease of each of its names, and
kept from being written to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from comfyfix.disk import folders, writers
from comfyfix.disk.folders import stat_of
from comfyfix.disk.lease import lease
from comfyfix.disk.writers import Held
from comfyfix.errors import system_says
from comfyfix.records import Reason, because
from comfyfix.why import Why

Digest = Callable[[int], str | None]
"""The sha256 of an open file, read now; None where it changes meanwhile."""


class Refused(Exception):
    """Something is not done, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def stamp(info: os.stat_result) -> tuple[int, ...]:
    """What tells that a file is as it was: its links may have changed, which changes ctime."""
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)


@dataclass(slots=True)
class File:
    """A file that is open, leased by each of its names, and kept from being written to."""

    handle: int
    held: Held
    names: list[tuple[int, str]]
    info: os.stat_result

    def change(self) -> Reason | None:
        """Why it is no longer what was opened here alone, if so."""
        if writers.wanted(self.handle, self.held):
            return because(Why.DEDUPE_WRITTEN, path=self.names[0][1])
        same = stamp(os.fstat(self.handle)) == stamp(self.info)
        if not same or not all(lease.is_held(*name) for name in self.names):
            return because(Why.GC_CHANGED, path=self.names[0][1])
        return None


def opened(
    stack: contextlib.ExitStack, store: int, places: Sequence[str], expected: tuple[int, ...]
) -> File:
    """Open a file by all the places that it is told to have. Raises Refused, OSError.

    `told` is its stamp when it was chosen. It is closed, and its leases given back, by `stack`.
    """
    names = []
    for place in places:
        *above, name = place.split("/")
        folder = stack.enter_context(folders.opened(store, above))
        if not stack.enter_context(lease.held(folder, name)):
            raise Refused(because(Why.GC_AT_WORK, path=place))
        names.append((folder, name))
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(names[0][1], flags, dir_fd=names[0][0])
    except OSError as error:
        raise Refused(system_says(error)) from None
    stack.callback(os.close, handle)
    info = os.fstat(handle)
    there = [stat_of(folder, name) for folder, name in names]
    moved = any(one is None or not os.path.samestat(one, info) for one in there)
    if moved or stamp(info) != expected:
        raise Refused(because(Why.GC_CHANGED, path=places[0]))
    held = stack.enter_context(writers.kept_from(handle))
    if held == "written":
        raise Refused(because(Why.DEDUPE_WRITTEN, path=places[0]))
    return File(handle, held, names, info)


def attributes(handle: int) -> tuple[object, ...]:
    """What a file has beside its bytes, and what links of one file share. Raises OSError.

    Owner, group, mode, and the extended attributes, of which the access list is one on Linux.
    Where these can't be asked for, two files are never said to have the same.
    """
    info = os.fstat(handle)
    if not hasattr(os, "listxattr"):
        return (info.st_uid, info.st_gid, info.st_mode, handle)
    more = sorted((name, os.getxattr(handle, name)) for name in os.listxattr(handle))
    return (info.st_uid, info.st_gid, info.st_mode, tuple(more))


def sha256_of(file: File, digest: Digest) -> str:
    """Hash it. Raises Refused, OSError."""
    hashed = digest(file.handle)
    if hashed is None:
        raise Refused(because(Why.GC_CHANGED, path=file.names[0][1]))
    return hashed


def reason_of(error: Refused | OSError) -> Reason:
    """What is told of it."""
    if isinstance(error, Refused):
        return error.reason
    return system_says(error)
