"""How far a download is: the scripts are not asked, their part files tell."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from comfyfix.disk import regular
from comfyfix.file_names import shards


class Part:
    """The part file of a model that is to be at `path`; found anew when it has gone.

    Of a directory and of a set all files count that are there, whole or in part.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._wanted = f"{glob.escape(self._path)}.*.part"
        self._new = f"{glob.escape(str(path.parent))}/.{glob.escape(path.name)}.{'?' * 8}.new"
        self._shards = shards(self._path)
        self._found = ""

    def arrived(self) -> int:
        """Bytes that are there."""
        if self._shards:
            return sum(map(_of_file, self._shards))
        if folders := [path for path in (self._path, *glob.glob(self._new)) if os.path.isdir(path)]:
            return sum(map(_below, folders))
        try:
            return _written(self._found) if self._found or self._find() else 0
        except OSError:
            self._found = ""
            return 0

    def _find(self) -> bool:
        self._found = next(iter(glob.glob(self._wanted)), "")  # absolute
        return bool(self._found)


def _of_file(path: str) -> int:
    """Bytes of one file of several: all of it, or its part."""
    try:
        return os.stat(path).st_size
    except OSError:
        return sum(map(_safely, glob.glob(f"{glob.escape(path)}.*.part")))


def _below(folder: str) -> int:
    """Bytes of the files of a folder, notes left out."""
    total = 0
    for place, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        total += sum(_safely(f"{place}/{name}") for name in names if not name.endswith(".have"))
    return total


def _safely(path: str) -> int:
    try:
        return _written(path) if path.endswith(".part") else os.stat(path).st_size
    except OSError:
        return 0


def _written(part: str) -> int:
    """Bytes of a part file that are there. Raises OSError when the part is not.

    Where several connections write to it, a list beside it tells their ranges.
    """
    size = os.stat(part).st_size  # a glob's answer
    try:
        told = regular.text(Path(part).with_suffix(".have"), encoding="ascii").splitlines()
        ranges = [line.split() for line in told if line[:1].isdigit()]
        return sum(int(end) - int(start) for start, end in ranges)
    except (OSError, ValueError):  # none is kept, or it is just being replaced
        return size
