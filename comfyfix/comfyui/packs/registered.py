"""What a pack tells ComfyUI of folder keys: their directories, and the endings they take."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from comfyfix.comfyui.packs.values import (
    NESTED_MAX,
    SHARED,
    Endings,
    FolderPaths,
)
from comfyfix.comfyui.store.keys import is_core, is_folder_key

KEYS_MAX = 1000
PLACES_MAX = 50


class Registered:
    """The keys of one pack. A place is an absolute path, or a key whose directories are meant."""

    def __init__(self) -> None:
        self.folders: dict[str, tuple[str, ...]] = {}
        self.endings: dict[str, tuple[str, ...]] = {}

    def knows(self, key: str) -> bool | None:
        """Tell whether a key is there; None: another pack may have told of it."""
        return True if is_core(key) or key in self.folders else None

    def add(self, key: Any, value: Any, *, first: bool = False) -> None:
        """One more directory of a key; a new key takes files of any ending."""
        places = [p for p in _places(value) if p != key] if self._counts(key) else []
        if not places:
            return
        if not self.knows(key):
            self.endings[key] = ()
        before = self.folders.get(key, ())
        both = (*places, *before) if first else (*before, *places)
        self.folders[key] = tuple(dict.fromkeys(both))[:PLACES_MAX]

    def put(self, key: Any, value: Any) -> None:
        """The directories and endings of a key, in place of what they were."""
        if not self._counts(key) or not isinstance(value, list) or not value:
            return
        own = self._expanded(key, _places(value[0]))
        known = is_core(key)  # then others, and the user, have added to it
        before = self.folders.get(key, ()) if known else ()
        if own:
            self.folders[key] = tuple(dict.fromkeys((*before, *own)))[:PLACES_MAX]
        endings = self.texts(value[1]) if len(value) > 1 else None
        if endings is None:
            self.endings.pop(key, None)
        else:
            self.endings[key] = endings

    def allow(self, owner: Endings, value: Any) -> None:
        """More endings for a key, or for all keys that share the core's set."""
        more = self.texts(value) or ()
        known = self.texts(owner) or ()
        key = SHARED if SHARED in known or owner.folder == SHARED else owner.folder
        known = self.endings.get(key, ())
        self.endings[key] = tuple(dict.fromkeys((*known, *more)))[:PLACES_MAX]

    def texts(self, value: Any, depth: int = 0) -> tuple[str, ...] | None:
        """The endings that a value holds, in lower case, or None."""
        if isinstance(value, str):
            return (value.lower(),)
        if isinstance(value, Endings):
            if value.folder == SHARED:
                return (SHARED,)
            shared = is_core(value.folder)
            return self.endings.get(value.folder, (SHARED,) if shared else None)
        if not isinstance(value, list | dict) or depth > NESTED_MAX or len(value) > PLACES_MAX:
            return None
        found: list[str] = []
        for item in value:
            texts = self.texts(item, depth + 1)
            if texts is None:
                return None
            found += texts
        return tuple(dict.fromkeys(found))[:PLACES_MAX]

    def _counts(self, key: Any) -> bool:
        return isinstance(key, str) and is_folder_key(key) and len(self.folders) < KEYS_MAX

    def _expanded(self, key: str, places: Iterable[str]) -> list[str]:
        """A key's own directories are those that it had."""
        expanded: list[str] = []
        for place in places:
            expanded += self.folders.get(key, ()) if place == key else (place,)
        return expanded


def _places(value: Any, depth: int = 0) -> list[str]:
    if isinstance(value, str):
        return [os.path.normpath(value)] if value.startswith("/") else []
    if isinstance(value, FolderPaths):
        return [value.folder]
    if isinstance(value, list | dict) and depth <= NESTED_MAX:
        return [place for item in list(value)[:PLACES_MAX] for place in _places(item, depth + 1)]
    return []
