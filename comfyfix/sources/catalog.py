"""Known catalogues: which addresses the makers of ComfyUI and of its Manager give for a name.

Two lists, both on the user's own disk: the official workflow templates (a package that their
publisher keeps current) and ComfyUI-Manager's model-list.json where it is installed. They only
say where to ask; a file counts once its provider has confirmed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec

from comfyfix.comfyui.store.folders import Folders, folder_key
from comfyfix.disk import regular
from comfyfix.loose_json import dicts, hint_list, hints, mapping
from comfyfix.records import Candidate, Hint, Rejected, because
from comfyfix.sources.base import Finding, Services, Wanted
from comfyfix.sources.workflow import confirm_url, told
from comfyfix.why import Why

NAME = "catalog"
TITLE = "in a catalogue"
DECISIVE = False
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


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield what the catalogues' addresses for this name and folder lead to."""
    index: Index = services.once("catalogue", lambda: _index(services.folders))
    known = index.get(wanted.model.name, [])
    services.log_search(wanted, NAME, wanted.model.name, {"addresses": len(known)})
    for hint in known:
        if hint.folder != wanted.model.folder:
            reason = because(Why.CATALOGUE_FOLDER, folder=hint.folder)
            yield Rejected(source=NAME, where=hint.url, reason=reason)
            continue
        finding = confirm_url(hint, NAME, services)
        services.log_search(wanted, NAME, hint.url, told(finding))
        # The catalogue says that this address is meant for that name.
        if isinstance(finding, Candidate) and finding.name != hint.name:
            finding = msgspec.structs.replace(finding, name=hint.name, renamed=True)
        yield finding


def _index(folders: Folders) -> Index:
    index: Index = {}
    for hint in dict.fromkeys([*_of_templates(), *_of_manager(folders.comfyui)]):
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
