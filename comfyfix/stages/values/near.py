"""Near misses: what lies on disk under nearly the name, or nearly the place, of an absent model.

A near miss is advice, never an answer: nothing is linked or renamed because of it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from comfyfix import endings
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.file_names import plain
from comfyfix.records import Model
from comfyfix.why import Why

SHOWN_MAX = 3
_NEARNESS = (
    Why.NEAR_CASE,
    Why.NEAR_SUBFOLDER,
    Why.NEAR_SUBFOLDERS,
    Why.NEAR_SEPARATOR,
    Why.NEAR_ENDING,
    Why.NEAR_LETTER,
    Why.NEAR_FOLDER,
)
# Names that every repository uses: another file of the name is another model.
_GENERIC = re.compile(
    r"(diffusion_)?(pytorch_)?(adapter_)?model(_(fp|bf)?\d+)?|.*\d+_of_\d+|lora|vae|unet|\w{0,3}"
)


@dataclass(frozen=True, slots=True)
class NearMiss:
    """One file of the store that may be what is meant; `kind` is what sets it apart.

    `path` is where it lies, `shown` how a node of the model's folder would name it, or, for a file
    of another folder, its place in ComfyUI's models/.
    """

    kind: Why
    path: str
    shown: str


def near_misses(index: StoreIndex, folders: Folders, model: Model) -> tuple[NearMiss, ...]:
    """The files that are nearest to an absent model, the nearest first, three at most."""
    if model.folder is None:
        return ()
    near = [
        _near_miss(folders, model, path, kind=_kind(folders, model, path))
        for path in index.akin(model.name)
    ]
    if not any(near) and not _is_generic(model):
        slips = index.one_letter_off(model.name)
        near = [_near_miss(folders, model, path, kind=Why.NEAR_LETTER) for path in slips]
    misses = sorted(filter(None, near), key=lambda miss: (_NEARNESS.index(miss.kind), miss.shown))
    return tuple(misses[:SHOWN_MAX])


def _kind(folders: Folders, model: Model, path: str) -> Why | None:
    """What sets a file of an akin name apart from the wanted one; None: it is no near miss."""
    inside = _inside(folders, model.folder or "", path)
    name = path.rpartition("/")[2]
    same_name = name.casefold() == model.name.casefold()
    if inside is None:
        return Why.NEAR_FOLDER if same_name and not _is_generic(model) else None
    below, wanted = inside.rpartition("/")[0], model.path.rpartition("/")[0]
    here = below.casefold() == wanted.casefold()
    if _is_generic(model) and not here:
        return None
    if same_name and here:
        return Why.NEAR_CASE
    if same_name:  # SD15/detail and SDXL/detail are two models
        return Why.NEAR_SUBFOLDERS if below and wanted else Why.NEAR_SUBFOLDER
    if _ending(name) == _ending(model.name):
        return Why.NEAR_SEPARATOR
    # .gguf or .onnx are for the nodes of their packs; no other node could load them instead.
    both = {_ending(name), _ending(model.name)} <= endings.CORE
    return Why.NEAR_ENDING if both else None


def _near_miss(folders: Folders, model: Model, path: str, *, kind: Why | None) -> NearMiss | None:
    if kind is None:
        return None
    folder = model.folder or ""
    inside = _inside(folders, folder, path)
    if kind is Why.NEAR_FOLDER:
        places = (f"{folders.models}/", f"{folders.default_root}/")
        root = next((place for place in places if path.startswith(place)), "")
        shown = path.removeprefix(root)
    elif inside is None or inside == model.path or folders.find(folder, inside) is None:
        return None
    else:
        shown = f"{folder}/{inside}"
    return NearMiss(kind, path, shown)


def _inside(folders: Folders, folder: str, path: str) -> str | None:
    """The name by which the folder's nodes would list a file, or None if they don't."""
    for directory in folders.directories(folder):
        # The index enters a folder once, maybe by another way than this one.
        for root in dict.fromkeys((str(directory), os.path.realpath(directory))):
            if path.startswith(f"{root}/"):
                return path[len(root) + 1 :]
    return None


def _is_generic(model: Model) -> bool:
    stem = plain(model.name.rpartition(".")[0] or model.name)
    return _GENERIC.fullmatch(stem) is not None


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].casefold()
