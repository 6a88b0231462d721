"""What packs say of their inputs, put into folder keys: after all of them were read.

A pack names keys that another one, or the user, has told ComfyUI of; what nobody told of is not
known. Keys over the directories of another key are that key; a directory is the key that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from comfyfix.comfyui.loaders.table import Loader, LoaderInput, joined
from comfyfix.comfyui.packs.facts import PackFacts
from comfyfix.comfyui.packs.values import PLAIN_WALK, SHARED
from comfyfix.comfyui.store.keys import (
    core_directories,
    folder_key,
    is_core,
    is_folder_key,
    own_endings,
)
from comfyfix.endings import CORE

STEPS_MAX = 8  # keys over keys
_NO_MODELS = frozenset(
    (*(".ttf", ".otf", ".ttc", ".woff", ".woff2"), *(".png", ".jpg", ".jpeg", ".webp", ".gif"),
     *(".bmp", ".tif", ".tiff", ".exr", ".svg"), *(".mp4", ".webm", ".mov", ".mkv", ".avi"),
     *(".wav", ".mp3", ".flac", ".ogg", ".m4a"), *(".txt", ".csv", ".md", ".json", ".cube"))
)  # fmt: skip
"""Endings of what packs let choose besides models: fonts, pictures, texts, tables of colours."""


def linked(facts: PackFacts, comfyui: str, keys: Mapping[str, Iterable[Path]]) -> PackFacts:
    """Facts whose inputs name folder keys alone; `keys` are those that others have told of."""
    links = _Links(facts, comfyui, keys)
    loaders = {
        name: Loader(inputs=inputs)
        for name, loader in facts.loaders.items()
        if (inputs := {k: links.input(e) for k, e in loader.inputs.items() if links.counts(e)})
    }
    folders = {**facts.folders, **links.added}
    return msgspec.structs.replace(facts, loaders=loaders, folders=folders)


class _Links:
    def __init__(self, facts: PackFacts, comfyui: str, keys: Mapping[str, Iterable[Path]]) -> None:
        self.added: dict[str, tuple[str, ...]] = {}
        self._facts = facts
        self._root = comfyui
        self._keys = keys
        self._core = core_directories()
        self._places: dict[str, str] = {}  # directory → the key that a file there is written to
        for key, names in self._core.items():
            self._places.setdefault(f"{comfyui}/models/{names[0]}", key)
        for key in facts.folders:
            for place in self._own(key):
                self._places.setdefault(place, key)
                break

    def counts(self, entry: LoaderInput) -> bool:
        """Tell inputs of models from those that choose pictures, or what else lies elsewhere."""
        raw = [entry.folder, *entry.also, *entry.prefixed.values()]
        own = frozenset(entry.endings) - {PLAIN_WALK}
        for endings in (own, *(self._facts.endings.get(key or "", ()) for key in raw)):
            if endings and _NO_MODELS.issuperset(endings):
                return False
        places = (f"{self._root}/models/", f"{self._root}/custom_nodes/", f"{self._root}/output/")
        return any(key and (not key.startswith("/") or key.startswith(places)) for key in raw)

    def input(self, entry: LoaderInput) -> LoaderInput:
        """An input with the keys that its folders are."""
        raw = [key for key in (entry.folder, *entry.also) if key]
        prefixed = {text: key for text, name in entry.prefixed.items() if (key := self._key(name))}
        keys = [key for name in raw if (key := self._key(name))]
        keys += [key for text, name in prefixed.items() if (key := self._above(text, name))]
        folders = list(dict.fromkeys(keys))
        whole = len(keys) == len(raw) + len(prefixed)
        endings = self._endings([*raw, *entry.prefixed.values()]) if whole else ()
        return msgspec.structs.replace(
            entry,
            folder=folders[0] if folders else None,
            also=tuple(folders[1:]),
            endings=() if entry.kind == "directory" else _left(endings, entry.endings),
            prefixed=prefixed,
        )

    def _key(self, name: str) -> str | None:
        if name.startswith("/"):
            return self._of_directory(name)
        for _ in range(STEPS_MAX):
            key = folder_key(name)
            if key in self._core or not is_folder_key(key):
                return key if key in self._core else None
            places = self._facts.folders.get(key, ())
            if len(places) != 1 or places[0].startswith("/"):
                break
            name = places[0]
        return key if places or key in self._keys else None

    def _of_directory(self, path: str) -> str | None:
        """The key whose files are written to a directory; one of its own where none is."""
        known = self._places.get(path)
        if known:
            return known
        for above, root in (("models/", "models/"), ("custom_nodes/", "")):
            if path.startswith(f"{self._root}/{above}"):
                key = folder_key(path.removeprefix(f"{self._root}/{root}"))
                if is_folder_key(key) and key not in self._core and key not in self._facts.folders:
                    self.added[key] = (path,)
                    return key
                return self._holding(path)
        return None

    def _holding(self, path: str) -> str | None:
        """A key that looks into a directory, but writes to another one."""
        inside = path.removeprefix(f"{self._root}/models/")
        return next((key for key, names in self._core.items() if inside in names), None)

    def _above(self, text: str, key: str) -> str | None:
        """The key of the directory from which a key's own is reached by a text in front."""
        ending = f"/{text.strip('/')}"
        for place in self._directories(key):
            if place.endswith(ending) and (found := self._of_directory(place[: -len(ending)])):
                return found
        return None

    def _directories(self, key: str) -> Iterator[str]:
        yield from (f"{self._root}/models/{name}" for name in self._core.get(key, ()))
        yield from self._own(key)
        yield from map(str, self._keys.get(key, ()))

    def _own(self, key: str) -> Iterator[str]:
        yield from (p for p in self._facts.folders.get(key, ()) if p.startswith("/"))

    # -- endings -------------------------------------------------------------------------

    def _endings(self, keys: Iterable[str]) -> tuple[str, ...]:
        """All endings that keys take; empty where one takes any, or is not known."""
        endings: set[str] = set()
        for key in keys:
            taken = self._of_key(key)
            if not taken:
                return ()
            endings |= taken
        return tuple(sorted(endings))

    def _of_key(self, key: str) -> set[str]:
        usual = (SHARED,) if is_core(key) else ()
        endings = self._facts.endings.get(key, own_endings(key) or usual)
        more = CORE.union(self._facts.endings.get(SHARED, ()))
        return {ending for one in endings for ending in (more if one == SHARED else (one,))}


def _left(listed: tuple[str, ...], kept: tuple[str, ...]) -> tuple[str, ...]:
    """What the pack's own condition leaves of what the keys take."""
    if PLAIN_WALK in kept:
        return tuple(one for one in kept if one != PLAIN_WALK)
    return tuple(one for one in kept if one.endswith(listed or ("",))) or listed


def together(facts: Iterable[PackFacts]) -> PackFacts:
    """What all packs say; of a class that two of them have, both folders are looked in."""
    loaders: dict[str, Loader] = {}
    folders: dict[str, tuple[str, ...]] = {}
    endings: dict[str, tuple[str, ...]] = {}
    nodes: dict[str, None] = {}
    for pack in facts:
        nodes |= dict.fromkeys(pack.nodes)
        for name, loader in pack.loaders.items():
            known = loaders.get(name)
            loaders[name] = joined(known, loader, _also) if known else loader
        _add(folders, pack.folders)
        for key, taken in pack.endings.items():
            known_endings = endings.get(key, taken)
            whole = known_endings and taken  # of two, one takes any
            endings[key] = tuple(dict.fromkeys((*known_endings, *taken))) if whole else ()
    return PackFacts(loaders=loaders, folders=folders, endings=endings, nodes=tuple(nodes))


def _add(folders: dict[str, tuple[str, ...]], more: Mapping[str, tuple[str, ...]]) -> None:
    for key, places in more.items():
        folders[key] = tuple(dict.fromkeys((*folders.get(key, ()), *places)))


def _also(known: LoaderInput, entry: LoaderInput) -> LoaderInput:
    """Two packs name a class alike: which one runs is not known, so both folders are looked in."""
    every = (known.folder, *known.also, entry.folder, *entry.also)
    folders = tuple(dict.fromkeys(key for key in every if key))
    return msgspec.structs.replace(
        known,
        folder=folders[0] if folders else None,
        also=folders[1:],
        prefixed={**entry.prefixed, **known.prefixed},
        names=tuple(dict.fromkeys((*known.names, *entry.names))),
        endings=(*known.endings, *entry.endings) if known.endings and entry.endings else (),
    )
