"""A file of model paths for ComfyUI, written so that it reads what is meant.

It splits a value at line ends and takes each line for a directory; a base path it would expand. So
directories stand there whole, one a line. In a section that is default each line is put before the
one above it, so there the last is searched first.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from comfyfix.comfyui.store.extra_paths import FAST
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import BESIDE, written_name

SIZE_MAX = 1 << 20
_MARK = re.compile(rb"# comfyfix paths, sha256 of all below: ([0-9a-f]{64})\n")
_HEADING = """\
# Where ComfyUI finds the models that comfyfix brings. `doit paths` makes this file anew, as long as
# nobody has changed it: write lines of your own into another one.
"""


@dataclass(frozen=True, slots=True)
class Section:
    """Directories by folder key, in the order in which they are to be searched.

    `first`: before all that ComfyUI searches by itself.
    """

    name: str
    places: Mapping[str, Sequence[Path]]
    first: bool = False


class Unsayable(Exception):
    """A directory that such a file can't name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


def of_store(folders: Folders, keys: Iterable[str] = ()) -> Section | None:
    """What to tell ComfyUI of a store; None for one that it searches by itself.

    `keys` are folders that something needs, beside those that the installation is known to have.
    """
    if folders.searched is None or folders.store == folders.models:
        return None
    every = sorted({*folders.paths, *keys} - {*BESIDE})
    places = {key: _in_store(folders, key) for key in every}
    return Section("comfyfix", {key: found for key, found in places.items() if found})


def of_tier(tier: Path, folders: Folders, keys: Iterable[str] = ()) -> Section:
    """What to tell ComfyUI of a fast tier: that it looks there first."""
    every = sorted({*folders.paths, *keys} - {*BESIDE})
    return Section(FAST, {key: [tier / written_name(key)] for key in every}, first=True)


def _in_store(folders: Folders, key: str) -> list[Path]:
    written = folders.destination(key, "x").parent
    paths = dict.fromkeys((written, *folders.directories(key)))
    return [path for path in paths if path.is_relative_to(folders.store)]


def text(sections: Iterable[Section]) -> bytes:
    """Write the file. Raises Unsayable."""
    value: dict[str, dict[str, Any]] = {}
    for section in sections:
        lines = value[section.name] = {"is_default": True} if section.first else {}
        for key, places in section.places.items():
            values = [_value(place) for place in places]
            lines[key] = "\n".join(reversed(values) if section.first else values)
    # In ASCII: ComfyUI reads it in whatever encoding its system has.
    body = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1 << 30)
    rest = f"{_HEADING}{body}".encode()
    digest = hashlib.sha256(rest).hexdigest()
    return f"# comfyfix paths, sha256 of all below: {digest}\n".encode() + rest


def is_ours(data: bytes) -> bool:
    """Tell whether `text` has made this, and nobody has changed it since."""
    mark = _MARK.match(data)
    if not mark:
        return False
    return hashlib.sha256(data[mark.end() :]).hexdigest().encode() == mark[1]


def _value(place: Path) -> str:
    path = str(place)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Unsayable(place) from None
    if "\n" in path or not os.path.isabs(path) or os.path.normpath(path) != path:
        raise Unsayable(place)
    return path


class _Dumper(yaml.SafeDumper):
    """Values of several lines stand there as such."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
