"""Taken: the value by which ComfyUI takes what a reference names.

ComfyUI holds the value of an input that chooses against its own list, letter by letter, before
anything runs (`validate_inputs` of its execution.py). The list has paths with the system's own
separator. So `SDXL\\x.safetensors`, `./x.safetensors` or `X.safetensors` are refused although
their file is there. It does so for every input of a node that runs, also for a row that is
switched off. It does not for what a node reads out of a text or a row of its own.
"""

from __future__ import annotations

import os

from comfyfix.comfyui.references.air import is_air
from comfyfix.comfyui.references.lookup import Hit, Lookup, anchored, parts_of
from comfyfix.comfyui.store.folders import Folders
from comfyfix.disk import looked
from comfyfix.records import Reference


def value_taken(reference: Reference, folders: Folders, lookup: Lookup | None = None) -> str | None:
    """The exact value that ComfyUI takes in this input; None where its list has no such file.

    It is the reference's own value where that is taken. `lookup` spares asking again where many
    references are asked about.
    """
    lookup = lookup or Lookup(folders)
    if "\\" in reference.value and _stands(reference, folders):
        return reference.value
    if not lookup.present(reference) or not is_listed(reference):
        return None
    if reference.listed and (prefix := _prefix(reference)):
        hit = lookup.file(reference, reference.path)
        return f"{prefix}{_spelled(hit)}" if hit else None
    if not reference.listed or (reference.files and not is_air(reference.value)):
        return reference.value
    if reference.kind == "directory":
        return anchored(reference.path)
    if parts := parts_of(reference):
        return _in_parts(reference, folders, parts)
    hit = lookup.file(reference, (reference.files or (reference.path,))[0])
    return _spelled(hit) if hit else None


def _prefix(reference: Reference) -> str:
    """What stands in front of the name where a node lists another folder so: `bbox/`."""
    plain = reference.value.replace("\\", "/")
    return plain.removesuffix(reference.path) if reference.files == (reference.path,) else ""


def is_listed(reference: Reference) -> bool:
    """Tell whether a node lists files that end so, as far as that is known."""
    if not reference.endings or reference.kind == "directory":
        return True
    files = reference.files or (reference.path,)
    return all(file.lower().endswith(reference.endings) for file in files)


def _stands(reference: Reference, folders: Folders) -> bool:
    """Tell whether something is called so to the letter: here a backslash is one of them."""
    value = reference.value
    keys = (reference.folder or "", *reference.also)
    plain = os.path.relpath(os.path.join("/", value), "/") == value
    find = folders.is_directory if reference.kind == "directory" else folders.find
    return plain and any(find(key, value) for key in keys)


def _in_parts(reference: Reference, folders: Folders, parts: dict[str, str]) -> str | None:
    """Where a folder is listed by its parts alone, as `bbox/…` and `segm/…`."""
    path = anchored(reference.path)
    for part, key in parts.items():
        below = path.removeprefix(f"{part}/")
        hit = folders.find(key, below) if below != path or "/" not in path else None
        if hit:
            return f"{part}/{_spelled(Hit(below, *hit))}"
    return None


def _spelled(hit: Hit) -> str:
    """A path as its folder lists it: a disk that makes no difference of case knows its own."""
    place = hit.location.removesuffix(hit.name)
    other = f"{place}{hit.name.swapcase()}"
    twin = looked.at(other) if other != hit.location else None
    if twin is None or not os.path.samestat(twin, hit.info):
        return hit.name
    looked.unsure()
    try:
        parts: list[str] = []
        for part in hit.name.split("/"):
            same = [n for n in os.listdir(place) if n.casefold() == part.casefold()]
            parts.append(part if part in same or not same else same[0])
            place += f"{part}/"
    except OSError:
        return hit.name
    return "/".join(parts)
