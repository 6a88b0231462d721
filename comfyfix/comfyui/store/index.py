"""The store's index: which files lie in its trees, asked by name, by akin name, by size.

One walk answers all names; nothing is walked before the first question. Sizes cost a look at every
file, so they are read only when content is compared.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Container, Iterable
from itertools import islice
from pathlib import Path

from comfyfix.comfyui.store.spelling import near_slots, one_letter_off, slots
from comfyfix.endings import LISTED
from comfyfix.file_names import plain, plain_all

FILES_MAX = 1_000_000
"""Files that an index holds; of a larger tree the rest is left out (a root may be `/`)."""
COMPARED_MAX = 1000
"""Names with which one name is compared letter by letter at most, so that time is bounded."""
_ENDINGS = tuple(ending.replace(".", "_") for ending in sorted(LISTED))
_LEFT_OUT = re.compile(r"^\.|\.(part|damaged|unsafe)(\.\d+)?$")

Table = dict[str, str | list[str]]


class StoreIndex:
    """The files below some roots. Safe to share between threads.

    Left out is what is hidden, parts of downloads, what was moved aside, and the paths of `without`
    (links that only give something a further name). A symlinked folder is followed, and every
    folder is entered once, however many ways lead there.
    """

    def __init__(self, roots: Iterable[Path], without: Container[str] = ()) -> None:
        self._roots = tuple(map(str, roots))
        self._without = without
        self._lock = threading.RLock()
        self._names: Table | None = None
        self._letters: dict[str, list[str]] | None = None
        self._sizes: dict[int, list[str]] | None = None

    def __len__(self) -> int:
        """How many files there are."""
        return sum(len(_several(paths)) for paths in self._table().values())

    def named(self, name: str) -> list[str]:
        """The paths of files of this name, in any case."""
        folded, paths = name.casefold(), self._of_plain(plain(name))
        return sorted(path for path in paths if path.rpartition("/")[2].casefold() == folded)

    def akin(self, name: str) -> list[str]:
        """The paths of model files of this stem but for case and separators, of any ending."""
        stem, ending = _split(plain(name))
        endings = dict.fromkeys((ending, *_ENDINGS))
        return sorted(path for end in endings for path in self._of_plain(stem + end))

    def one_letter_off(self, name: str) -> list[str]:
        """The paths of model files whose stem is one letter off, of the same ending."""
        slips, (stem, ending) = self._slips(), _split(plain(name))
        near = dict.fromkeys(other for key in near_slots(stem) for other in slips.get(key, ()))
        stems = (s for s in islice(near, COMPARED_MAX) if one_letter_off(stem, s))
        return sorted(path for other in stems for path in self._of_plain(other + ending))

    def ending_in(self, endings: tuple[str, ...]) -> list[str]:
        """The paths of files whose names end so, letter by letter."""
        every = (path for paths in self._table().values() for path in _several(paths))
        return sorted(path for path in every if path.endswith(endings) and self._counts(path))

    def of_size(self, size: int) -> list[str]:
        """The paths of files of this size in bytes; the first question looks at every file."""
        with self._lock:
            if self._sizes is None:
                every = (path for paths in self._table().values() for path in _several(paths))
                self._sizes = _by_size(path for path in every if self._counts(path))
            return sorted(self._sizes.get(size, ()))

    def _of_plain(self, name: str) -> list[str]:
        return [path for path in _several(self._table().get(name)) if self._counts(path)]

    def _counts(self, path: str) -> bool:
        # Asked of what is found, and not of every file on the walk: that would take a fifth of it.
        return path not in self._without and not _LEFT_OUT.search(path.rpartition("/")[2])

    def _table(self) -> Table:
        with self._lock:
            if self._names is None:
                self._names = _walk(self._roots, self._without)
            return self._names

    def _slips(self) -> dict[str, list[str]]:
        with self._lock:
            if self._letters is None:
                self._letters = {}
                stems = {_split(name)[0] for name in self._table() if name.endswith(_ENDINGS)}
                for stem in stems:
                    for key in slots(stem):
                        self._letters.setdefault(key, []).append(stem)
            return self._letters


def _split(name: str) -> tuple[str, str]:
    """Stem and ending of a plain name, which has `_` for its dots."""
    stem, dot, ending = name.rpartition("_")
    return (stem, dot + ending) if stem else (name, "")


def _walk(roots: Iterable[str], without: Container[str]) -> Table:
    """All files by plain name: a path, or a list where several share the name."""
    table: Table = {}
    entered: set[tuple[int, int]] = set()
    pending = list(roots)
    count = 0
    while pending and count < FILES_MAX:
        folder = pending.pop()
        try:
            info = os.stat(folder)
            if (info.st_dev, info.st_ino) in entered:
                continue
            entered.add((info.st_dev, info.st_ino))
            with os.scandir(folder) as listed:
                entries = list(listed)
        except OSError:
            continue  # a folder that can't be read holds nothing that we could link
        files, folders = _sorted_out(entries)
        pending += [folder for folder in folders if folder not in without]
        count += len(files)
        _add(table, files)
    return table


# A store may hold 100,000 files, and a loop over them in Python costs more than the walk. So a
# folder's files go through one step after the other, each step for all of them at once.


def _sorted_out(entries: list[os.DirEntry[str]]) -> tuple[list[os.DirEntry[str]], list[str]]:
    """The files and the subfolders of one folder; a link is what it leads to."""
    try:
        files = [entry for entry in entries if entry.is_file()]
    except OSError:  # a link that leads to itself
        entries = [entry for entry in entries if _leads_somewhere(entry)]
        files = [entry for entry in entries if entry.is_file()]
    if len(files) == len(entries):
        return files, []
    folders = [entry for entry in entries if entry.is_dir()]
    return files, [entry.path for entry in folders if not entry.name.startswith(".")]


def _add(table: Table, files: list[os.DirEntry[str]]) -> None:
    names = plain_all([entry.name for entry in files])
    paths = [entry.path for entry in files]
    if table.keys().isdisjoint(names):
        before = len(table)
        table.update(zip(names, paths, strict=True))
        if len(table) == before + len(names):
            return
        for name in names:
            table.pop(name, None)
    for name, path in zip(names, paths, strict=True):
        known = table.setdefault(name, path)
        if isinstance(known, list):
            known.append(path)
        elif known is not path:
            table[name] = [known, path]


def _leads_somewhere(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() or entry.is_dir()
    except OSError:
        return False


def _several(paths: str | list[str] | None) -> list[str]:
    return [paths] if isinstance(paths, str) else paths or []


def _by_size(paths: Iterable[str]) -> dict[int, list[str]]:
    sizes: dict[int, list[str]] = {}
    for path in paths:
        try:
            size = os.stat(path).st_size  # once per file
        except OSError:
            continue  # it went away since the walk
        sizes.setdefault(size, []).append(path)
    return sizes
