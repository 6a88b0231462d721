"""What others tell of ComfyUI's model folders, added to what its own files say.

Others are node packs, which register directories and endings, and a running ComfyUI that is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import folder_key, is_folder_key
from comfyfix.disk.files import led_into


def with_registered(folders: Folders, registered: Mapping[str, Iterable[str]]) -> Folders:
    """Add the directories that node packs register; those outside the installation are left.

    A place that is no absolute path is a key whose directories are meant. A key that only packs
    know is written where its pack looks below models/, else to the first place it has.
    """
    paths, written, searched = dict(folders.paths), dict(folders.written), folders.searched
    for name, places in registered.items():
        key = folder_key(name)
        inside = [path for place in places for path in _registered(folders, place)]
        if not is_folder_key(name) or not inside:
            continue
        if key not in paths:
            of_models = (path for path in inside if path.is_relative_to(folders.models))
            below = [path.relative_to(folders.models) for path in of_models]
            written[key] = folders.default_root / (below[0] if below else key)
            if not below and folders.default_root == folders.models:
                written[key] = inside[0]
        own = paths.get(key, (written[key],) if key in written else ())
        paths[key] = tuple(dict.fromkeys((*own, *inside)))
        searched = _more_searched(folders, searched, key, inside)
    return replace(folders, paths=paths, written=written, searched=searched)


def with_endings(folders: Folders, by_key: Mapping[str, Iterable[str]]) -> Folders:
    """Add what the files of a key end in, as packs or a running ComfyUI say; none: anything."""
    more = {key: frozenset(map(str.lower, endings)) for key, endings in by_key.items()}
    return replace(folders, endings={**folders.endings, **more})


def with_searched(folders: Folders, by_key: Mapping[str, Iterable[Path]]) -> Folders:
    """Add directories that ComfyUI says it looks into, in its order where it knows ours.

    They are only looked into; new files go where they did.
    """
    paths, order, fast = dict(folders.paths), dict(folders.order), dict(folders.fast)
    searched = folders.searched
    for name, places in by_key.items():
        key, every = folder_key(name), tuple(places)
        inside = tuple(place for place in every if not folders.is_copy(str(place)))
        if copies := [place for place in every if place not in inside]:
            fast[key] = tuple(dict.fromkeys((*fast.get(key, ()), *copies)))
        if key in fast:
            order[key] = tuple(dict.fromkeys((*every, *order.get(key, ()))))
        if not inside:
            continue
        own = paths.get(key, ())
        first, then = (inside, ()) if set(own) <= set(inside) else (own, inside)
        paths[key] = tuple(dict.fromkeys((*first, *then)))
        searched = _more_searched(folders, searched, key, inside)
    return replace(folders, paths=paths, searched=searched, fast=fast, order=order)


def _more_searched(
    folders: Folders, searched: frozenset[str] | None, key: str, places: Iterable[Path]
) -> frozenset[str] | None:
    if searched is not None and any(led_into(path, folders.store) for path in places):
        return searched | {key}
    return searched


def _moved(folders: Folders, place: Path) -> Path | None:
    """A directory that was told for ComfyUI's usual folders, in those that it has; or None."""
    comfyui = folders.comfyui
    for usual, real in ((comfyui / "models", folders.models), (comfyui, folders.base)):
        if place.is_relative_to(usual):
            return real / place.relative_to(usual)
    inside = place.is_relative_to(folders.base) or place.is_relative_to(folders.models)
    return place if inside else None


def _registered(folders: Folders, place: str) -> tuple[Path, ...]:
    if not place.startswith("/"):
        return folders.paths.get(folder_key(place), ())
    path = _moved(folders, Path(place))
    return (path,) if path else ()
