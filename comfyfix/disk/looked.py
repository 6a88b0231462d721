"""What was looked at on disk while something was worked out, so that the result can be kept.

Whoever asks the disk on the way of every command notes here what it was told, in that moment: a
file that changes a moment later is then not the one that was noted. Nothing is noted unless a
command wants it (`noting`).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

# A file may change once more within one tick of its timestamp; until this has passed, its
# stamp proves nothing (2 s is the tick of FAT and of some network filesystems).
SETTLED_NS = 2_000_000_000
_AHEAD_NS = 86_400_000_000_000  # by which the clock of a file server may be ahead of ours
Stamp = tuple[int, ...]
"""What the system tells of a path: (mtime_ns, ctime_ns, size, inode, device, mode)."""
NOTHING: Stamp = ()
"""The stamp of a path where nothing is, or nothing that we may see."""


class Looked:
    """Every path that was asked about, with its stamp.

    `sure` until something was asked that no stamp tells, or a path was seen to change. `variables`:
    a text of the user's names variables of the environment, whichever these are.
    """

    def __init__(self) -> None:
        self.stamps: dict[str, Stamp] = {}
        self.sure = True
        self.variables = False
        self._begun = time.time_ns()

    def add(self, path: str, stamp: Stamp) -> None:
        """Note one path."""
        if self.stamps.setdefault(path, stamp) != stamp:
            self.sure = False

    def settled(self, stamps: Iterable[Stamp]) -> bool:
        """Tell whether we are sure, and none of these can change once more within its tick."""
        if not self.sure:
            return False
        # A time of next year is no time of a change: who changes the file gives it another one.
        fresh = range(self._begun - SETTLED_NS, self._begun + _AHEAD_NS)
        return not any(time in fresh for stamp in stamps for time in stamp[:2])


_NOTED: ContextVar[Looked | None] = ContextVar("_NOTED", default=None)


@contextmanager
def noting() -> Iterator[Looked]:
    """Note what is looked at meanwhile, in this thread."""
    noted = Looked()
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def stamp_of(info: os.stat_result | None) -> Stamp:
    """The stamp of what the system tells."""
    if info is None:
        return NOTHING
    return (
        info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino, info.st_dev, info.st_mode,
    )  # fmt: skip


def note(path: Path | str, info: os.stat_result | None) -> None:
    """Note what the system has told of a path (links followed): None where nothing is."""
    noted = _NOTED.get()
    if noted is not None:
        noted.add(str(path), stamp_of(info))


def at(path: Path | str) -> os.stat_result | None:
    """Ask the system of a path (links followed), and note it; None where nothing is.

    What is in a folder is told by its stamp: ask for it before the folder is read.
    """
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        info = None
    note(path, info)
    return info


def is_dir(path: Path | str) -> bool:
    """Tell whether a folder is there, and note it."""
    info = at(path)
    return info is not None and stat.S_ISDIR(info.st_mode)


def is_file(path: Path | str) -> bool:
    """Tell whether a regular file is there, and note it."""
    info = at(path)
    return info is not None and stat.S_ISREG(info.st_mode)


def unsure() -> None:
    """Note that what is worked out depends on more than the stamps of paths, or was told once."""
    noted = _NOTED.get()
    if noted is not None:
        noted.sure = False


def variables() -> None:
    """Note that a text of the user's names variables of the environment."""
    noted = _NOTED.get()
    if noted is not None:
        noted.variables = True
