"""Lookup: which file a node would load for what a reference names.

Most nodes ask ComfyUI for the very path. Some find a file by its name in any subfolder, and some
look into a further folder that holds only a part of the first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from comfyfix import endings
from comfyfix.comfyui.store.folders import Folders
from comfyfix.disk import looked
from comfyfix.records import Reference

_PARTS = {"ultralytics": (("bbox", "ultralytics_bbox"), ("segm", "ultralytics_segm"))}


class Hit(NamedTuple):
    """A file: the path by which its folder lists it, where it lies, and its stat."""

    name: str
    location: str
    info: os.stat_result


class Lookup:
    """Finds what references name in the folders of one installation.

    The names of a whole folder are read at the first question that needs them, and kept.
    """

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self._names: dict[str, Mapping[str, tuple[str, ...]]] = {}

    def present(self, reference: Reference) -> bool:
        """Tell whether everything that a reference names is there."""
        if reference.folder is None:
            return False
        if reference.kind == "directory":
            keys = (reference.folder, *reference.also)
            return any(self.folders.is_directory(key, reference.path) for key in keys)
        return all(self.file(reference, path) for path in reference.files or (reference.path,))

    def holds(self, reference: Reference) -> bool:
        """Tell whether everything that it names is there, and none of it is an empty file.

        ComfyUI lists an empty one, and fails when it loads it.
        """
        if not self.present(reference) or reference.kind == "directory":
            return self.present(reference)
        hits = [self.file(reference, path) for path in reference.files or (reference.path,)]
        return all(hit and hit.info.st_size for hit in hits)

    def file(self, reference: Reference, path: str, folder: str | None = None) -> Hit | None:
        """The file for one path of a reference; `folder` where the user has set another."""
        own = folder or reference.folder or ""
        for name in spellings(reference, path):
            for key, below in keys_of(reference, name, own):
                hit = self.folders.find(key, below)
                if hit:
                    return Hit(anchored(name), *hit)
        named = self._by_name(own, path) if reference.by_name else ""
        hit = self.folders.find(own, named) if named else None
        return Hit(named, *hit) if hit else None

    def _by_name(self, key: str, path: str) -> str:
        """The first file of a name in any subfolder: the name as it is, then any ending."""
        if key not in self._names:
            self._names[key] = _names(self.folders, key)
        name = path.rpartition("/")[2]
        paths = self._names[key].get(endings.stem(name), ())
        exact = [one for one in paths if one.rpartition("/")[2] == name]
        return next(iter(exact or paths), "")


def keys_of(reference: Reference, path: str, folder: str) -> Iterator[tuple[str, str]]:
    """Each folder in which a node looks, with the path there."""
    yield folder, path
    parts = {key: part for part, key in parts_of(reference).items()}
    for key in reference.also:
        yield key, path.removeprefix(f"{parts[key]}/") if key in parts else path


def parts_of(reference: Reference) -> dict[str, str]:
    """The folders that hold a part of the reference's own, by what its names begin with there.

    `ultralytics_bbox` holds what nodes call `bbox/…`; their list is made of such parts alone.
    """
    return {
        part: key for part, key in _PARTS.get(reference.folder or "", ()) if key in reference.also
    }


def spellings(reference: Reference, path: str) -> tuple[str, ...]:
    """The names under which ComfyUI would take a file: of what it names itself, any extension."""
    if not reference.files or path == reference.path:
        return (path,)
    stem = path.rpartition(".")[0]
    return (path, *(s for end in endings.TRIED if (s := stem + end) != path))


def anchored(path: str) -> str:
    """A path as ComfyUI lists it: `./a`, `/a` and `sub/../a` all lead to `a`."""
    plain = path.replace("\\", "/")
    usual = not (plain.startswith("/") or plain.endswith(("/", ".")) or "//" in plain)
    if usual and "./" not in plain:  # asked of every value, and relpath takes its time
        return plain
    return os.path.relpath(os.path.join("/", plain), "/")


def _names(folders: Folders, key: str) -> dict[str, tuple[str, ...]]:
    """The files that ComfyUI lists for a key, by their names without ending."""
    listed: set[str] = set()
    for directory in map(str, folders.directories(key)):
        entered: set[tuple[int, int]] = set()  # links may lead in a circle
        looked.at(directory)
        for place, below, files in os.walk(directory, followlinks=True):
            try:
                info = os.stat(place)
            except OSError:
                continue
            if (info.st_dev, info.st_ino) in entered:
                below.clear()
                continue
            entered.add((info.st_dev, info.st_ino))
            for name in below:
                looked.at(f"{place}/{name}")
            inside = place[len(directory) + 1 :]
            listed.update(f"{inside}/{name}" if inside else name for name in files)
    by_stem: dict[str, list[str]] = {}
    for path in sorted(path for path in listed if folders.accepts(key, path)):
        by_stem.setdefault(endings.stem(path.rpartition("/")[2]), []).append(path)
    return {stem: tuple(paths) for stem, paths in by_stem.items()}
