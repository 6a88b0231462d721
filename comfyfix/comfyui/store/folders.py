"""ComfyUI's model folders: which directories belong to a folder key, and what is found there.

Follows ComfyUI's folder_paths.py: search order, aliases, extra_model_paths.yaml, the endings that
a key takes, and a lookup that is anchored so that a name can't climb out.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from comfyfix.comfyui.store import tables
from comfyfix.comfyui.store.installation import Options, installation
from comfyfix.comfyui.store.keys import (
    BESIDE,
    DIRECTORIES,
    ENDINGS,
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

    `tier` is where copies of models lie, by the manifest; `fast` holds the directories of copies by
    key that ComfyUI was told of, and `order` all of those keys as it searches them. They are looked
    into last here, so that a model is at its place in the store; ComfyUI may open the copy.
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
    tier: Path | None = None
    fast: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    order: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def directories(self, key: str) -> tuple[Path, ...]:
        """The directories of a key in search order; a key of a node pack has one of its name."""
        known = self.paths.get(folder_key(key))
        if known is None:
            known = tuple(tables.directories_in(self.default_root, key))
        return (*known, *self.fast[folder_key(key)]) if folder_key(key) in self.fast else known

    def searched_by_comfyui(self, key: str) -> tuple[Path, ...]:
        """The same in the order in which ComfyUI looks, copies among them."""
        own = self.directories(key)
        return tuple(dict.fromkeys((*self.order.get(folder_key(key), ()), *own)))

    def is_copy(self, place: str) -> bool:
        """Tell whether a place is one of copies, and not of the models that they are of."""
        fast = (directory for places in self.fast.values() for directory in places)
        every = (*fast, *((self.tier,) if self.tier else ()))
        return any(f"{place}/".startswith(f"{directory}/") for directory in every)

    def accepts(self, key: str, path: str) -> bool:
        """Tell whether ComfyUI would list a file of this name for a key, with the user's packs.

        What is told of a key of the core comes on top of what the core lists.
        """
        endings = self.endings.get(key)
        if endings is None or folder_key(key) in ENDINGS:
            usual = accepts(key, path)
            return usual or (endings is not None and ending(path) in endings and not in_git(path))
        return (not endings or ending(path) in endings) and not in_git(path)

    def find(self, key: str, path: str) -> tuple[str, os.stat_result] | None:
        """The file ComfyUI would load for this name, with its stat, or None.

        The first directory that has it wins; a file that ComfyUI does not list is refused by it.
        """
        anchored = _anchored(path)
        if not self.accepts(key, anchored):
            return None
        for directory in self.directories(key):
            path_there = f"{directory}/{anchored}"
            info = regular_stat(path_there)
            if info:
                return path_there, info
        return None

    def opened(self, key: str, path: str, *, directory: bool = False) -> str:
        """The file, or directory, that ComfyUI opens for a name, maybe a copy; empty for none."""
        every = self.searched_by_comfyui(key)
        if directory:
            return _directory(every, path)
        places = (f"{above}/{_anchored(path)}" for above in every)
        return next((place for place in places if regular_stat(place)), "")

    def is_directory(self, key: str, path: str) -> bool:
        """Tell whether a directory model is there; one of diffusers must hold model_index.json."""
        return bool(self.directory(key, path))

    def directory(self, key: str, path: str) -> str:
        """Where a directory model lies; empty if it is not there, or ComfyUI opens another."""
        first = self.opened(key, path, directory=True)
        is_one = folder_key(key) != "diffusers" or regular_stat(f"{first}/model_index.json")
        return _directory(self.directories(key), path) if first and is_one else ""

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

    `tier` is where copies of models lie, as the manifest tells.

    A store that is not there may be one whose disk is not mounted: it is no problem only if it is
    to be made. `hear` is told what is left out.
    """
    if store is not None and not create_store and not looked.is_dir(store):
        raise SetupProblem(Why.STORE_ABSENT, path=store)
    place = installation(comfyui, options)
    table, order, written = tables.configured(place, extra, hear, tier)
    fast = tables.fast(table, order, store or place.models)
    searched = None
    if store is not None:
        searched = _searched(store, table)
        tables.look_into(store, table, written)
    return Folders(
        paths={key: tuple(paths) for key, paths in table.items()},
        written=written,
        default_root=store or place.models,
        store=store or place.models,
        comfyui=comfyui,
        base=place.base,
        models=place.models,
        searched=searched,
        tier=tier,
        fast=fast,
        order={key: tuple(order[key]) for key in fast},
    )


def make_store(store: Path) -> None:
    """Make a store. Raises SetupProblem."""
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cause = error.strerror or error
        raise SetupProblem(Why.STORE_UNMADE, path=store, error=cause) from None


def _searched(store: Path, table: Mapping[str, Iterable[Path]]) -> frozenset[str]:
    """The folder keys for which ComfyUI looks into the store."""
    return frozenset(
        key for key, paths in table.items() if any(led_into(path, store) for path in paths)
    )


def _directory(directories: Iterable[Path], path: str) -> str:
    anchored = _anchored(path)
    places = (f"{directory}/{anchored}" for directory in directories)
    return next((place for place in places if looked.is_dir(place)), "")


def _anchored(path: str) -> str:
    """Make a path that can't climb out of its folder with `..`, as ComfyUI does."""
    plain = not (path.startswith("/") or path.endswith(("/", ".")) or "//" in path or "./" in path)
    if plain:
        return path
    return os.path.relpath(os.path.join("/", path), "/")  # ComfyUI's words


@functools.cache
def _below(root: Path, name: str) -> Path:
    return root / name
