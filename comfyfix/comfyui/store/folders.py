"""ComfyUI's model folders: which directories belong to a folder key, and what is found there.

Follows ComfyUI's folder_paths.py: search order, aliases, extra_model_paths.yaml, the endings that
a key takes, and a lookup that is anchored so that a name can't climb out.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from comfyfix.comfyui.store import extra_paths
from comfyfix.comfyui.store.installation import EXTRA_PATHS, Installation, Options, installation
from comfyfix.comfyui.store.keys import (
    BESIDE,
    CORE,
    DIRECTORIES,
    ENDINGS,
    OUTPUT,
    accepts,
    ending,
    folder_key,
    in_git,
    written_name,
)
from comfyfix.disk import looked
from comfyfix.disk.files import led_into, regular_stat
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason
from comfyfix.why import Why

_DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class Folders:
    """All model folders of one installation.

    `paths` holds the directories of each key in search order; `written` the directory that
    new files of a key go to; `default_root` is where keys without either lie; `endings` what the
    files of a key end in besides what is known of it, in lower case. `store` is the
    tree that everything written stays inside; `searched` are the keys for which ComfyUI looks
    there, None where it is ComfyUI's own. `comfyui` is where main.py lies, `base` where
    custom_nodes/ and user/ do, `models` ComfyUI's own models/. `links` are those that we have
    made for names of workflows, with what they lead to: further names, and no further models.
    """

    paths: dict[str, tuple[Path, ...]]
    written: dict[str, Path]
    default_root: Path
    store: Path
    comfyui: Path = Path()
    base: Path = Path()
    models: Path = Path()
    searched: frozenset[str] | None = None
    endings: Mapping[str, frozenset[str]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def directories(self, key: str) -> tuple[Path, ...]:
        """The directories of a key in search order; a key of a node pack has one of its name."""
        known = self.paths.get(folder_key(key))
        return known if known is not None else tuple(_in(self.default_root, key))

    def accepts(self, key: str, path: str) -> bool:
        """Tell whether ComfyUI would list a file of this name for a key, with the user's packs.

        What is told of a key of the core comes on top of what the core lists.
        """
        told = self.endings.get(key)
        if told is None or folder_key(key) in ENDINGS:
            usual = accepts(key, path)
            return usual or (told is not None and ending(path) in told and not in_git(path))
        return (not told or ending(path) in told) and not in_git(path)

    def find(self, key: str, path: str) -> tuple[str, os.stat_result] | None:
        """The file ComfyUI would load for this name, with its stat, or None.

        The first directory that has it wins; a file that ComfyUI does not list is refused by it.
        """
        anchored = _anchored(path)
        if not self.accepts(key, anchored):
            return None
        for directory in self.directories(key):
            found = f"{directory}/{anchored}"
            info = regular_stat(found)
            if info:
                return found, info
        return None

    def is_directory(self, key: str, path: str) -> bool:
        """Tell whether a directory model is there; one of diffusers must hold model_index.json."""
        return bool(self.directory(key, path))

    def directory(self, key: str, path: str) -> str:
        """Where a directory model lies; empty if it is not there."""
        anchored = _anchored(path)
        places = (f"{directory}/{anchored}" for directory in self.directories(key))
        first = next((place for place in places if looked.is_dir(place)), None)
        if first is None or folder_key(key) != "diffusers":
            return first or ""
        return first if regular_stat(f"{first}/model_index.json") else ""

    def destination(self, key: str, path: str) -> Path:
        """Where a new file of this model is written."""
        return Path(self.place(key, path))

    def place(self, key: str, path: str) -> str:
        """`destination` as a plain string: every command asks for that of every model."""
        key = folder_key(key)
        base = self.written.get(key) or _below(self.default_root, written_name(key))
        return f"{base}/{path}"

    def below_models(self, key: str) -> frozenset[str]:
        """Where the files of a key lie, as places below a models folder: `controlnet`, …"""
        key = folder_key(key)
        names = {key, *DIRECTORIES.get(key, ())}
        for directory in self.directories(key):
            for root in (self.models, self.default_root):
                if directory.is_relative_to(root):
                    names.add(directory.relative_to(root).as_posix())
        return frozenset(names)

    def meant(self, key: str, path: str) -> str:
        """The path of the model itself where a path is that of a link of ours."""
        if self.links:
            directories = [str(directory) for directory in self.directories(key)]
            targets = (self.links.get(f"{directory}/{path}", "") for directory in directories)
            for target in filter(None, targets):
                for directory in directories:
                    if target.startswith(f"{directory}/"):
                        return target[len(directory) + 1 :]
        return path

    def roots(self) -> tuple[Path, ...]:
        """Every directory that may hold models, none inside another."""
        every = {p for key, paths in self.paths.items() if key not in BESIDE for p in paths}
        every.add(self.default_root)
        ordered = sorted(every, key=lambda p: len(p.parts))
        roots: list[Path] = []
        for path in ordered:
            if not any(path.is_relative_to(root) for root in roots):
                roots.append(path)
        return tuple(roots)


def read(
    comfyui: Path,
    extra: Iterable[Path],
    store: Path | None,
    *,
    create_store: bool = False,
    options: Options = _DEFAULTS,
    hear: Callable[[Reason], object] = bool,
    tier: Path | None = None,
) -> Folders:
    """Read the folders of a ComfyUI installation. Raises SetupProblem.

    `tier` is where copies of models lie: ComfyUI is told to look there, and we look at the models.

    A store that is not there may be one whose disk is not mounted: it is no problem only if it is
    to be made. `hear` is told what is left out.
    """
    if store is not None and not create_store and not looked.is_dir(store):
        raise SetupProblem(Why.STORE_ABSENT, path=store)
    place = installation(comfyui, options)
    table, written = _configured(place, extra, hear, tier)
    searched = None
    if store is not None:
        searched = _searched(store, table)
        _look_into(store, table, written)
    return Folders(
        paths={key: tuple(paths) for key, paths in table.items()},
        written=written,
        default_root=store or place.models,
        store=store or place.models,
        comfyui=comfyui,
        base=place.base,
        models=place.models,
        searched=searched,
    )


def _configured(
    place: Installation,
    extra: Iterable[Path],
    hear: Callable[[Reason], object],
    tier: Path | None,
) -> tuple[dict[str, list[Path]], dict[str, Path]]:
    """The folders in which ComfyUI looks by key, and those that a file of paths calls default."""
    table = {key: list(_in(place.models, key)) for key in (*CORE, *DIRECTORIES)}
    table |= {key: [place.base / key] for key in BESIDE}
    written: dict[str, Path] = {}
    own = place.root / EXTRA_PATHS
    # Docker makes a folder of a file that it can't mount, and ComfyUI passes over it; a pipe or a
    # link to nothing is told: without it models would go where ComfyUI does not look.
    there = not looked.is_dir(own) and os.path.lexists(own)
    for path in [*([own] if there else []), *extra]:
        for name, directory, is_default in extra_paths.read(path, hear):
            if tier and directory.is_relative_to(tier):
                continue
            key = folder_key(name)
            _add(table, key, directory, is_default)
            if is_default:
                written[key] = directory
    for name in OUTPUT:
        _add(table, folder_key(name), place.output / name, is_default=False)
    return table, written


def _look_into(store: Path, table: dict[str, list[Path]], written: dict[str, Path]) -> None:
    """Let new files be written to a store, and looked for there too."""
    for key, paths in table.items():
        if key in BESIDE:
            continue
        # What ComfyUI was told about this store is where it will look for new files.
        told = [path for path in paths if path.is_relative_to(store)]
        named = [path for path in told if path.name == written_name(key)]
        written[key] = (named or told or [store / written_name(key)])[0]
        paths.extend(path for path in _in(store, key) if path not in paths)


def make_store(store: Path) -> None:
    """Make a store. Raises SetupProblem."""
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = error.strerror or error
        raise SetupProblem(Why.STORE_UNMADE, path=store, error=told) from None


def _searched(store: Path, table: Mapping[str, Iterable[Path]]) -> frozenset[str]:
    """The folder keys for which ComfyUI looks into the store."""
    return frozenset(
        key for key, paths in table.items() if any(led_into(path, store) for path in paths)
    )


def _anchored(path: str) -> str:
    """Make a path that can't climb out of its folder with `..`, as ComfyUI does."""
    plain = not (path.startswith("/") or path.endswith(("/", ".")) or "//" in path or "./" in path)
    if plain:
        return path
    return os.path.relpath(os.path.join("/", path), "/")  # ComfyUI's words


def _in(root: Path, key: str) -> Iterator[Path]:
    for name in DIRECTORIES.get(key, (key,)):
        yield root / name


@functools.cache
def _below(root: Path, name: str) -> Path:
    return root / name


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
