"""Near misses: what lies on disk under nearly the name, or nearly the place, of an absent model.

A near miss is advice, never an answer: nothing is linked or renamed because of it.
"""

from __future__ import annotations

import os
import re
from typing import Literal

import msgspec

from comfyfix import endings
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.file_names import plain
from comfyfix.records import Model

Kind = Literal[
    "other case",
    "other subfolder",
    "other separator",
    "other ending",
    "one letter off",
    "other folder",
]
SHOWN_MAX = 3
_CHOOSE = "choose it in the node"
_COMPARE = "choose it if it is the same model"
_ADVICE: dict[Kind, str] = {  # in the order of how near they are
    "other case": _CHOOSE,
    "other subfolder": _CHOOSE,
    "other separator": _CHOOSE,
    "other ending": _COMPARE,
    "one letter off": _COMPARE,
    "other folder": "doit links it if its hash fits",
}
_NEARNESS = list(_ADVICE)
# Names that every repository uses: another file of the name is another model.
_GENERIC = re.compile(
    r"(diffusion_)?(pytorch_)?(adapter_)?model(_(fp|bf)?\d+)?|.*\d+_of_\d+|lora|vae|unet|\w{0,3}"
)


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the store that may be what is meant.

    `path` is where it lies, `shown` how a node of the model's folder would name it, or, for a file
    of another folder, its place in ComfyUI's models/. `advice` is what the user would do.
    """

    kind: Kind
    path: str
    shown: str
    advice: str


def near_misses(index: StoreIndex, folders: Folders, model: Model) -> tuple[NearMiss, ...]:
    """The files that are nearest to an absent model, the nearest first, three at most."""
    if model.folder is None:
        return ()
    found = [
        near
        for path in index.akin(model.name)
        if (kind := _kind(folders, model, path)) and (near := _near(folders, model, path, kind))
    ]
    if not found and not _GENERIC.fullmatch(_stem(model.name)):
        slips = index.one_letter_off(model.name)
        found = [near for path in slips if (near := _near(folders, model, path, "one letter off"))]
    found.sort(key=lambda near: (_NEARNESS.index(near.kind), near.shown))
    return tuple(found[:SHOWN_MAX])


def told(near: NearMiss) -> str:
    """One line of a table about a near miss."""
    return f"near: {near.shown} ({near.kind}): {near.advice}"


def _kind(folders: Folders, model: Model, path: str) -> Kind | None:
    """What sets a file of an akin name apart from the wanted one; None: it is no near miss."""
    inside = _inside(folders, model.folder or "", path)
    name = path.rpartition("/")[2]
    same_name = name.casefold() == model.name.casefold()
    generic = _GENERIC.fullmatch(_stem(model.name)) is not None
    if inside is None:
        return "other folder" if same_name and not generic else None
    here = inside.rpartition("/")[0].casefold() == model.path.rpartition("/")[0].casefold()
    if generic and not here:
        return None
    if same_name:
        return "other case" if here else "other subfolder"
    if _ending(name) == _ending(model.name):
        return "other separator"
    # .gguf or .onnx are for the nodes of their packs; no other node could load them instead.
    both = {_ending(name), _ending(model.name)} <= endings.CORE
    return "other ending" if both else None


def _near(folders: Folders, model: Model, path: str, kind: Kind) -> NearMiss | None:
    folder = model.folder or ""
    inside = _inside(folders, folder, path)
    if kind == "other folder":
        places = (f"{folders.comfyui}/models/", f"{folders.default_root}/")
        root = next((place for place in places if path.startswith(place)), "")
        shown = path.removeprefix(root)
    elif inside is None or inside == model.path or folders.find(folder, inside) is None:
        return None
    else:
        shown = f"{folder}/{inside}"
    advice = _ADVICE[kind]
    if kind == "other subfolder" and "/" in model.path and "/" in (inside or ""):
        advice = _COMPARE  # SD15/detail and SDXL/detail are two models
    return NearMiss(kind=kind, path=path, shown=shown, advice=advice)


def _inside(folders: Folders, folder: str, path: str) -> str | None:
    """The name by which the folder's nodes would list a file, or None if they don't."""
    for directory in folders.directories(folder):
        # The index enters a folder once, maybe by another way than this one.
        for root in dict.fromkeys((str(directory), os.path.realpath(directory))):
            if path.startswith(f"{root}/"):
                return path[len(root) + 1 :]
    return None


def _stem(name: str) -> str:
    return plain(name.rpartition(".")[0] or name)


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].casefold()  # noqa: PTH122 - a name, not a path
