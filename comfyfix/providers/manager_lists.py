"""ComfyUI-Manager's lists of models, wherever an installation of it keeps them.

Older Managers lie in `custom_nodes`, newer ones are a package in ComfyUI's own environment; both
keep in a cache what they have fetched since. The newest list counts first: its Manager shows it.
"""

from __future__ import annotations

import codecs
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from comfyfix.comfyui.store.folders import Folders
from comfyfix.disk import regular
from comfyfix.loose_json import dicts, mapping

NAME = "model-list.json"
_TYPES = {  # `save_path: default` means the folder of the type
    "checkpoint": "checkpoints",
    "checkpoints": "checkpoints",
    "unclip": "checkpoints",
    "text_encoders": "text_encoders",
    "clip": "text_encoders",
    "vae": "vae",
    "lora": "loras",
    "t2i-adapter": "controlnet",
    "t2i-style": "controlnet",
    "controlnet": "controlnet",
    "clip_vision": "clip_vision",
    "gligen": "gligen",
    "upscale": "upscale_models",
    "embedding": "embeddings",
    "embeddings": "embeddings",
    "unet": "diffusion_models",
    "diffusion_model": "diffusion_models",
}
_CACHED = re.compile(r"([0-9]+_)?model-list\.json(\.json)?")
_ENVIRONMENTS = (".venv", "venv", "python_embeded", "python_embedded")
_PACKAGES = ("Lib/site-packages", "lib/python3*/site-packages", "lib64/python3*/site-packages")
_LISTS_MAX = 50
_BYTES_MAX = 16_000_000  # the list of 2026 has 0.3 million
_ENTRIES_MAX = 20_000


class Entry(NamedTuple):
    """One file of a list: its place below the models folder, and its address."""

    place: str
    url: str


def entries(folders: Folders) -> Iterator[Entry]:
    """What all lists say together, of each place the newest."""
    places: set[str] = set()
    for path in _newest_first(_lists(folders)):
        fresh = [e for e in map(_entry, _listed(path)) if e and e.place not in places]
        places |= {entry.place for entry in fresh}
        yield from fresh


def _lists(folders: Folders) -> Iterator[Path]:
    comfyui, base = folders.comfyui, folders.base
    packs = (pack for place in folders.directories("custom_nodes") for pack in _below(place))
    for pack in packs:
        if pack.name.lower().startswith("comfyui-manager"):
            yield pack / NAME
            yield from _cached(pack / ".cache")
    yield from _cached(base / "user" / "__manager" / "cache")
    yield from _cached(base / "user" / "default" / "ComfyUI-Manager" / "cache")
    for root in dict.fromkeys((base, comfyui, comfyui.parent)):
        for name in _ENVIRONMENTS:
            for packages in _PACKAGES:
                for place in sorted((root / name).glob(packages)):
                    yield place / "comfyui_manager" / NAME
    yield Path(sysconfig.get_path("purelib"), "comfyui_manager", NAME)


def _cached(folder: Path) -> Iterator[Path]:
    return (path for path in _below(folder) if _CACHED.fullmatch(path.name))


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    dated = []
    for path in dict.fromkeys(paths):
        try:
            dated.append((-os.stat(path).st_mtime_ns, path))
        except OSError:
            continue
    return [path for _, path in sorted(dated)[:_LISTS_MAX]]


def _listed(path: Path) -> list[dict[str, Any]]:
    try:
        data = regular.read(path, _BYTES_MAX).removeprefix(codecs.BOM_UTF8)
        value = msgspec.json.decode(data)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return dicts(mapping(value).get("models"))[:_ENTRIES_MAX]


def _entry(listed: dict[str, Any]) -> Entry | None:
    """One entry as the Manager reads it; None for what is no file below the models folder."""
    name, url = listed.get("filename"), listed.get("url")
    folder, kind = listed.get("save_path"), listed.get("type")
    if not (isinstance(name, str) and isinstance(url, str) and isinstance(folder, str)):
        return None
    if folder == "default":
        folder = _TYPES.get(str(kind).lower(), "")
    parts = folder.replace("\\", "/").strip("/").split("/")
    fits = url.startswith("https://") and not any(sign in name for sign in "/\\:<>")
    if not fits or not name or any(part in ("", ".", "..") for part in parts):
        return None
    return Entry("/".join((*parts, name)), url)
