"""Linking: a link of exactly the name that a workflow has, so that ComfyUI takes it as it is.

Only in ComfyUI's own models/: a store is shared, and others would see names that are none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import folder_key
from comfyfix.disk.files import NAME_BYTES_MAX, led_into, relative_name
from comfyfix.errors import NameRefused
from comfyfix.records import Reason, because
from comfyfix.stages.values.relink import Fix
from comfyfix.why import Why


def place(folders: Folders, fix: Fix, made: Mapping[Path, str]) -> Path | Reason:
    """Where the link of a value goes, or why there can be none; `made` are those of this call.

    Here a backslash is a letter of the name, though for safety it is looked at as a separator too.
    """
    value = str(fix.reference.value)
    try:
        relative_name(value)
    except NameRefused as refused:
        return because(Why.LINK_NO_NAME, cause=refused.reason)
    if any(len(part.encode()) > NAME_BYTES_MAX for part in value.split("/")):
        return because(Why.LINK_NO_NAME, cause=because(Why.NAME_LONG, limit=NAME_BYTES_MAX))
    directory = _own(folders, folder_key(fix.reference.folder or ""))
    if directory is None:
        return because(Why.LINK_NO_FOLDER)
    path = directory / value
    if made.get(path) == fix.location:
        return path
    if os.path.lexists(path) or path in made:
        return because(Why.LINK_TAKEN, path=path)
    in_store = folders.searched is not None and led_into(path.parent, folders.store) is not None
    if in_store or led_into(path.parent, folders.models) is None:
        return because(Why.LINK_LED_OUT, path=path.parent)
    return path


def _own(folders: Folders, key: str) -> Path | None:
    """The directory of a key in ComfyUI's own models/; that of the key's name before others."""
    own = [path for path in folders.directories(key) if path.is_relative_to(folders.models)]
    named = [path for path in own if path.name == key]
    return next(iter([*named, *own]), None)
