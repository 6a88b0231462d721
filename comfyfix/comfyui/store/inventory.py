"""Every model file in all model folders, also those that no workflow names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import BESIDE, is_folder_key
from comfyfix.disk.files import regular_stat
from comfyfix.endings import LISTED
from comfyfix.records import Model
from comfyfix.state.hashing import Identity, identity_of

_ENDINGS = tuple(LISTED)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file, `size` in bytes; `identity` is what further names of the same file share."""

    model: Model
    path: str
    size: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory to be read: of which key it is, and where that key's paths begin."""

    path: str
    key: str | None
    base: str


def model_files(folders: Folders) -> list[ModelFile]:
    """Walk the model folders; sorted by path.

    Links are followed, and every folder is entered once, whichever ways lead there. Hidden files
    and folders are left out, and with them our own; so is what does not end as models do: parts
    of downloads, and files that were moved aside. So are the links that we have made, and copies
    in a fast tier, whatever leads there.
    """
    starts: dict[str, _Place] = {}
    for key, path in [*_named(folders), *((None, root) for root in folders.roots())]:
        starts.setdefault(str(path), _Place(str(path), key, str(path)))
    # The folders with a key come first: a link that leads into one must not give it another.
    owned = {identity: place.path for place in starts.values() if (identity := _id(place.path))}
    tier = os.path.realpath(folders.tier) if folders.tier else ""
    entered: set[Identity] = set()
    all_files: list[ModelFile] = []
    pending = sorted(starts.values(), key=lambda place: (place.key is None, place.path))[::-1]
    while pending:
        place = pending.pop()
        identity = _id(place.path)
        if identity is None or identity in entered:
            continue
        if owned.get(identity, place.path) != place.path and place.path not in starts:
            continue  # it has its own turn
        entered.add(identity)
        if tier and f"{os.path.realpath(place.path)}/".startswith(f"{tier}/"):
            continue
        files, below = _listed(place, folders)
        all_files += files
        pending += [_child(place, path) for path in below if path not in starts]
    return sorted(all_files, key=lambda file: file.path)


def _named(folders: Folders) -> Iterator[tuple[str | None, Path]]:
    for key, paths in folders.paths.items():
        if key not in BESIDE:
            yield from ((key, path) for path in paths)


def _child(place: _Place, path: str) -> _Place:
    if place.key is not None:
        return _Place(path, place.key, place.base)
    name = path.rpartition("/")[2]
    return _Place(path, name if is_folder_key(name) else None, path)


def _listed(place: _Place, folders: Folders) -> tuple[list[ModelFile], list[str]]:
    """The model files and the subfolders of one folder; nothing where it can't be read."""
    try:
        with os.scandir(place.path) as listed:
            names = sorted(entry.name for entry in listed if not entry.name.startswith("."))
    except OSError:
        return [], []
    files, below = [], []
    endings = (*_ENDINGS, *filter(None, folders.endings.get(place.key or "", ())))
    for name in names:
        path = f"{place.path}/{name}"
        if path in folders.links:
            continue
        if name.lower().endswith(endings) and (info := regular_stat(path)):
            model = Model(folder=place.key, path=path[len(place.base) + 1 :])
            files.append(ModelFile(model, path, info.st_size, identity_of(path, info)))
        elif os.path.isdir(path):  # never raises
            below.append(path)
    return files, below


def _id(path: str) -> Identity | None:
    try:
        return identity_of(path, os.stat(path))
    except OSError:
        return None
