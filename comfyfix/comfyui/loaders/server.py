"""A running ComfyUI as a source of facts: `/object_info` and its lists of models.

The server tells which names an input offers, not from which folder. So an input belongs to the
folder whose own list holds what it offers; where two folders could be meant, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from comfyfix.comfyui.loaders.table import Loader, LoaderInput, Loaders
from comfyfix.comfyui.store.folders import folder_key, is_folder_key
from comfyfix.errors import SourceDown
from comfyfix.loose_json import items, mapping
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Web

FOLDERS_MAX = 200
_NO_CHOICE = ("none", "default", "baked vae")


def ask(url: str, web: Web) -> Loaders:
    """What the inputs of a running ComfyUI take. Raises SourceDown."""
    base = url.rstrip("/")
    folders = {
        folder_key(name): _names(_json(web, f"{base}/models/{quote(name)}"))
        for name in _texts(_json(web, f"{base}/models"))[:FOLDERS_MAX]
        if is_folder_key(name)
    }
    classes = mapping(_json(web, f"{base}/object_info"))
    found: dict[str, Loader] = {}
    for node_type, told in classes.items():
        inputs = {
            name: LoaderInput(folder=folder)
            for name, choices in _combos(mapping(told))
            if (folder := _folder_of(choices, folders))
        }
        if inputs:
            found[node_type] = Loader(inputs=inputs)
    return found


def _json(web: Web, url: str) -> Any:
    answer = web.get(url, tries=1)  # it runs beside us, or it does not
    if answer.status != 200:  # noqa: PLR2004 - HTTP
        raise SourceDown(Why.COMFYUI_STATUS, url=url, status=answer.status)
    return answer.json()


def _texts(value: Any) -> list[str]:
    return [item for item in items(value) if isinstance(item, str)]


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(_slashes, _texts(value)))


def _slashes(name: str) -> str:
    return name.replace("\\", "/")


def _combos(told: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Every input that offers a choice: as a list, or as the options of a COMBO."""
    for part in ("required", "optional"):
        for name, entry in mapping(mapping(told.get("input")).get(part)).items():
            parts = items(entry)
            choices = parts[0] if parts else None
            if choices == "COMBO" and len(parts) > 1:
                choices = mapping(parts[1]).get("options")
            named = frozenset(c for c in _names(choices) if c.lower() not in _NO_CHOICE)
            if named:
                yield name, named


def _folder_of(choices: frozenset[str], folders: Mapping[str, frozenset[str]]) -> str | None:
    same = [key for key, names in folders.items() if names == choices]
    holding = same or [key for key, names in folders.items() if choices <= names]
    return holding[0] if len(holding) == 1 else None
