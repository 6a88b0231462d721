"""A file of the user's own, changed in its place: the old one or the new one, whole, at any time.

What it was is kept beside it. Mode and owner stay; links are no files to be changed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from comfyfix.disk import regular, temporary
from comfyfix.disk.files import written_beside
from comfyfix.records import Reason, because
from comfyfix.why import Why

_MOST = 1000


def replace(path: Path, was: bytes, data: bytes) -> Path | Reason:
    """Put `data` in the place of a file that holds `was`; returns where that is kept.

    A reason is told for a file that is not changed. Raises OSError.
    """
    temporary.clear(path.parent)
    info = path.lstat()
    if reason := _refused(path, info):
        return reason
    kept = _kept(path, was, info)
    fresh = _beside(path, data, info)
    try:
        if not _is_still(path, info, was):
            return because(Why.EMBED_CHANGED, path=path)
        fresh.replace(path)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
    _settle(path.parent)
    return kept


def refused(path: Path) -> Reason | None:
    """Why a file is not changed in its place, if so. Raises OSError."""
    return _refused(path, path.lstat())


def _refused(path: Path, info: os.stat_result) -> Reason | None:
    if stat.S_ISLNK(info.st_mode):
        return because(Why.EMBED_LINKED, path=path)
    if not stat.S_ISREG(info.st_mode):
        return because(Why.NOT_REGULAR)
    if info.st_nlink > 1:
        return because(Why.EMBED_LINKED_HARD, path=path)
    if not info.st_mode & 0o222 or not os.access(path, os.W_OK):
        return because(Why.EMBED_NOT_WRITABLE, path=path)
    if info.st_uid != os.geteuid() and os.geteuid() != 0:
        return because(Why.EMBED_OWNER, path=path)
    return None


def _is_still(path: Path, info: os.stat_result, was: bytes) -> bool:
    """Tell whether a file is the one that was read, and nobody has written to it."""
    try:
        now = path.lstat()
        return os.path.samestat(now, info) and regular.read(path, len(was)) == was
    except OSError:
        return False


def _kept(path: Path, was: bytes, info: os.stat_result) -> Path:
    """Keep what a file was, whole and over nothing. Raises OSError."""
    fresh = _beside(path, was, info)
    try:
        os.utime(fresh, ns=(info.st_atime_ns, info.st_mtime_ns))
        for place in _places(path):
            with contextlib.suppress(OSError):
                if not place.is_symlink() and regular.read(place, len(was)) == was:
                    return place  # kept by a run that was stopped
            if _took(fresh, place):
                return place
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
    raise FileExistsError(str(path))


def _took(fresh: Path, place: Path) -> bool:
    """Give a file its name; False where one is there."""
    try:
        os.link(fresh, place)
    except FileExistsError:
        return False
    except OSError:  # a filesystem without hard links
        if os.path.lexists(place):
            return False
        fresh.rename(place)
    return True


def _places(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.name}.bak")
    yield from (path.with_name(f"{path.name}.bak-{number}") for number in range(2, _MOST))


def _beside(path: Path, data: bytes, info: os.stat_result) -> Path:
    """A file of the same mode and owner, written to the disk. Raises OSError."""

    def own(handle: int) -> None:
        if (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(handle, info.st_uid, info.st_gid)
        os.fchmod(handle, stat.S_IMODE(info.st_mode))

    return written_beside(path, data, own)


def _settle(folder: Path) -> None:
    """See that the names in a folder are on the disk, where that can be asked for."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
