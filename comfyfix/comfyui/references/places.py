"""Places: where in a node a model is named, whatever kind of node it is."""

from __future__ import annotations

import re

import msgspec

from comfyfix import endings
from comfyfix.records import Kind, Reads

VALUE_MAX = 400  # characters; a longer text is a prompt, not a file name
NESTED_MAX = 6  # levels of lists and mappings inside one widget


_NOTHING = frozenset({"", "none", "null", "nil", "undefined"})
# What packs offer beside files: no model is chosen, or the node has its own.
_CONSTANTS = _NOTHING.union(
    *(("no", "off", "disable", "disabled", "empty", "auto", "automatic", "default", "same"),),
    *(("usesame", "baked", "bakedvae", "bakedinvae", "builtin", "pixelspace", "esam"),),
    *(("select", "selectmodel", "choose", "nolora", "novae"),),
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One name of a model, as the node has it; a folder that is None is still to be guessed.

    `path` is the name inside the folder where the value is another one; `endings` are those that
    the node lists (empty: not known); `repo` is where the node's own source says that it is from.
    """

    input: str
    value: str
    folder: str | None
    also: tuple[str, ...] = ()
    path: str | None = None
    files: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    kind: Kind = "file"
    active: bool = True
    optional: bool = False
    listed: bool = True
    by_name: bool = False
    reads: Reads = Reads.ANY
    variant: str = ""
    repo: str = ""


def plain_path(value: str) -> str:
    """A name with the separators that every system takes."""
    return value.replace("\\", "/")


def with_extension(value: str) -> tuple[str, ...]:
    """What a name without its extension asks for: nearly all such files are of this format."""
    return (f"{plain_path(value)}.safetensors",)


def has_model_extension(value: str) -> bool:
    """Tell whether a widget's string looks like the name of a model file."""
    if len(value) > VALUE_MAX or "\n" in value or "://" in value:
        return False
    dot = value.rfind(".")
    return dot > 0 and value[dot:].lower() in endings.LISTED


def is_constant(value: str) -> bool:
    """Tell what an input offers beside the files of its folder: `None`, `Baked VAE`, …"""
    return _without_signs(value) in _CONSTANTS and not has_model_extension(value)


def is_nothing(value: str) -> bool:
    """Tell a row in which no model is chosen."""
    return _without_signs(value) in _NOTHING and not has_model_extension(value)


def _without_signs(value: str) -> str:
    return re.sub(r"[\W_]", "", value[:VALUE_MAX]).casefold()
