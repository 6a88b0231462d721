"""Tables: the directories of each folder key, as ComfyUI's own files name them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from comfyfix.comfyui.store import extra_paths
from comfyfix.comfyui.store.installation import EXTRA_PATHS, Installation
from comfyfix.comfyui.store.keys import BESIDE, CORE, DIRECTORIES, OUTPUT, folder_key, written_name
from comfyfix.disk import looked
from comfyfix.disk.files import led_into
from comfyfix.records import Reason


def configured(
    place: Installation,
    extra: Iterable[Path],
    hear: Callable[[Reason], object],
    tier: Path | None,
) -> tuple[dict[str, list[Path]], dict[str, list[Path]], dict[str, Path]]:
    """The folders in which ComfyUI looks by key: those of models, and all of them in its order.

    With them those that a file of paths calls default.
    """
    table = {key: list(directories_in(place.models, key)) for key in (*CORE, *DIRECTORIES)}
    table |= {key: [place.base / key] for key in BESIDE}
    order = {key: list(paths) for key, paths in table.items()}
    written: dict[str, Path] = {}
    own = place.root / EXTRA_PATHS
    # Docker makes a folder of a file that it can't mount, and ComfyUI passes over it; a pipe or a
    # link to nothing is told: without it models would go where ComfyUI does not look.
    there = not looked.is_dir(own) and os.path.lexists(own)
    for path in [*([own] if there else []), *extra]:
        for name, directory, is_default, section in extra_paths.read(path, hear):
            key = folder_key(name)
            _add(order, key, directory, is_default)
            if section == extra_paths.FAST or (tier and led_into(directory, tier)):
                continue
            _add(table, key, directory, is_default)
            if is_default:
                written[key] = directory
    for name in OUTPUT:
        for known in (table, order):
            _add(known, folder_key(name), place.output / name, is_default=False)
    return table, order, written


def fast(
    table: Mapping[str, Iterable[Path]], order: Mapping[str, Iterable[Path]], store: Path
) -> dict[str, tuple[Path, ...]]:
    """The directories of copies by key: of all that ComfyUI searches those that are no models'."""
    models = {path for paths in table.values() for path in paths}
    every = {
        key: tuple(path for path in paths if path not in models and not path.is_relative_to(store))
        for key, paths in order.items()
    }
    return {key: paths for key, paths in every.items() if paths}


def look_into(store: Path, table: dict[str, list[Path]], written: dict[str, Path]) -> None:
    """Let new files be written to a store, and looked for there too."""
    for key, paths in table.items():
        if key in BESIDE:
            continue
        # What ComfyUI was told about this store is where it will look for new files.
        inside = [path for path in paths if path.is_relative_to(store)]
        named = [path for path in inside if path.name == written_name(key)]
        written[key] = (named or inside or [store / written_name(key)])[0]
        paths.extend(path for path in directories_in(store, key) if path not in paths)


def directories_in(root: Path, key: str) -> Iterator[Path]:
    """The directories of a key below a models folder."""
    for name in DIRECTORIES.get(key, (key,)):
        yield root / name


def _add(table: dict[str, list[Path]], key: str, path: Path, is_default: bool) -> None:
    paths = table.setdefault(key, [])
    if path in paths:
        if is_default and paths[0] != path:
            paths.remove(path)
            paths.insert(0, path)
    elif is_default:
        paths.insert(0, path)
    else:
        paths.append(path)
