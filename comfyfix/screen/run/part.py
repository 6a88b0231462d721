"""How far a download is: the scripts are not asked, their part files tell."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from comfyfix.disk import regular
from comfyfix.file_names import shards


class Part:
    """The part file of a model that is to be at `path`; found anew when it has gone.

    Of a directory and of a set all files count that are there, whole or in part.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._folder, self._name = str(path.parent), path.name
        self._shards = shards(self._path)
        self._part = ""

    def arrived(self) -> int:
        """Bytes that are there."""
        if self._shards:
            return sum(map(_of_file, self._shards))
        if not self._part:
            folders, part = self._look()
            if folders:
                return sum(map(_below, folders))
            self._part = part
        try:
            return _written(self._part) if self._part else 0
        except OSError:
            self._part = ""
            return 0

    def _look(self) -> tuple[list[str], str]:
        """The folders of a directory that are there, and the part of a file."""
        new = re.compile(rf"\.{re.escape(self._name)}\.[^.]{{8}}\.new")
        names = [name for name in _listed(self._folder) if self._name in name]
        folders = [self._path, *(f"{self._folder}/{n}" for n in names if new.fullmatch(n))]
        parts = [n for n in names if n.startswith(f"{self._name}.") and n.endswith(".part")]
        part = f"{self._folder}/{parts[0]}" if parts else ""
        return [path for path in folders if os.path.isdir(path)], part


def _listed(folder: str) -> list[str]:
    """The names in a folder: of a store with thousands of files this is looked through often."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


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
        lines = regular.text(Path(part).with_suffix(".have"), encoding="ascii").splitlines()
        ranges = [line.split() for line in lines if line[:1].isdigit()]
        return sum(int(end) - int(start) for start, end in ranges)
    except (OSError, ValueError):  # none is kept, or it is just being replaced
        return size
