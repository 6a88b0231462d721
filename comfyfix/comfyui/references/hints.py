"""Hints: for which file name and which folder an address counts that a workflow tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from comfyfix.comfyui.store.keys import folder_key, is_core_models
from comfyfix.records import Hint

Named = Mapping[str, Sequence[Hint]]
"""Hints by the last part of their names."""


def by_name(hints: Iterable[Hint]) -> Named:
    """Sort hints by the file names that they are for."""
    by_file_name: dict[str, list[Hint]] = {}
    for hint in hints:
        by_file_name.setdefault(file_name(hint), []).append(hint)
    return by_file_name


def path_of(hint: Hint) -> str:
    """The name of a hint as a path."""
    return hint.name.replace("\\", "/")


def file_name(hint: Hint) -> str:
    """The last part of the name."""
    return path_of(hint).rpartition("/")[2]


def key_of(hint: Hint) -> str | None:
    """The model folder that a hint tells; `diffusion_models/Wan2.2` is a place in one."""
    first, _, below = (hint.folder or "").partition("/")
    if ".." in below.split("/"):
        return None
    return folder_key(first if below and is_core_models(first) else hint.folder or "") or None


def path_below(hint: Hint) -> str:
    """The path with the subfolder that the hint's directory tells."""
    first, _, below = (hint.folder or "").partition("/")
    return f"{below}/{path_of(hint)}" if below and is_core_models(first) else path_of(hint)
