"""Known catalogues: which addresses the makers of ComfyUI and of its Manager give for a name.

Two lists, both on the user's own disk: the official workflow templates (a package that their
publisher keeps current) and ComfyUI-Manager's model-list.json where it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec

from comfyfix.comfyui.store.folders import folder_key
from comfyfix.disk import regular
from comfyfix.loose_json import dicts, hint_list, hints, mapping
from comfyfix.once import Once
from comfyfix.records import Hint

MANAGER_LIST = "model-list.json"
MANAGER_NAMES = ("comfyui-manager", "ComfyUI-Manager")
MANAGER_TYPES = {  # `save_path: default` means the folder of the type
    "checkpoint": "checkpoints",
    "checkpoints": "checkpoints",
    "unclip": "checkpoints",
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
Index = dict[str, list[Hint]]


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    filename: str = ""
    url: str = ""
    type: str = ""
    save_path: str = ""


class _ManagerList(msgspec.Struct, frozen=True, kw_only=True):
    models: list[_Entry] = []


class Catalogue:
    """What both lists say, read at the first question; safe to share between threads."""

    def __init__(self, comfyui: Path) -> None:
        self._comfyui = comfyui
        self._read: Once[Path, Index] = Once()

    def addresses(self, name: str) -> list[Hint]:
        """Where files of this name are, and in which folder each belongs."""
        return self._read.get(self._comfyui, self._index).get(name, [])

    def _index(self) -> Index:
        index: Index = {}
        for hint in dict.fromkeys([*_of_templates(), *_of_manager(self._comfyui)]):
            index.setdefault(hint.name, []).append(hint)
        return index


def _of_templates() -> Iterator[Hint]:
    """Every address that an official template embeds."""
    try:
        package = resources.files("comfyui_workflow_templates_json").joinpath("templates")
        entries = [entry for entry in package.iterdir() if entry.name.endswith(".json")]
    except (ModuleNotFoundError, OSError):
        return
    for entry in entries:
        data = entry.read_bytes()
        if b'"models"' not in data:
            continue
        for hint in _hints_in(data):
            url = hint.url.partition("?")[0]
            yield Hint(name=hint.name, url=url, folder=folder_key(hint.folder or ""))


def _hints_in(data: bytes) -> Iterator[Hint]:
    """The addresses in one template; its graph is not looked at, which takes ten times as long."""
    try:
        value = mapping(msgspec.json.decode(data))
    except (msgspec.DecodeError, RecursionError):
        return
    yield from hint_list(value.get("models"))
    levels = [value, *dicts(mapping(value.get("definitions")).get("subgraphs"))]
    for node in (node for level in levels for node in dicts(level.get("nodes"))):
        yield from hints(node)


def _of_manager(comfyui: Path) -> Iterator[Hint]:
    """The entries of ComfyUI-Manager's list that have an address and a folder."""
    for name in MANAGER_NAMES:
        try:
            data = regular.read(comfyui / "custom_nodes" / name / MANAGER_LIST)
            entries = msgspec.json.decode(data, type=_ManagerList).models
        except (OSError, msgspec.DecodeError, RecursionError):
            continue
        for entry in entries:
            folder = entry.save_path.partition("/")[0]
            if entry.save_path == "default":
                folder = MANAGER_TYPES.get(entry.type.lower(), "")
            if entry.url.startswith("https://") and folder:
                yield Hint(name=entry.filename, url=entry.url, folder=folder_key(folder))
