"""A running ComfyUI as a source of facts: `/object_info`, its model folders and their lists.

The server tells which names an input offers, not from which folder. So an input belongs to the
folder whose own list holds what it offers; where two folders could be meant, nothing is claimed.
Where it knows `/experiment/models` it tells the directories and, since 2026, the endings of each
folder too; `/models` has their names alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from comfyfix.comfyui.loaders.table import Loader, LoaderInput
from comfyfix.comfyui.store.keys import BESIDE, folder_key, is_folder_key
from comfyfix.disk import windows
from comfyfix.errors import SourceDown
from comfyfix.loose_json import items, mapping
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.answer import Answer
    from comfyfix.net.http import Web

FOLDERS_MAX = 200
PLACES_MAX = 50
"""Directories, or endings, of one folder."""
_OK = 200
_ROOT_PARTS = 2  # `/` and a folder in it
_NO_CHOICE = ("none", "default", "baked vae")


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What inputs take; the directories of a folder key as the server names them; its endings."""

    loaders: dict[str, Loader] = {}
    folders: dict[str, tuple[str, ...]] = {}
    endings: dict[str, tuple[str, ...]] = {}


def ask(url: str, web: Web) -> ServerFacts:
    """What a running ComfyUI says. Raises SourceDown."""
    base = url.rstrip("/")
    by_name = _folders(web, base)
    keys = [name for name in by_name if is_folder_key(name) and name not in BESIDE]
    answers = {key: _get(web, f"{base}/models/{quote(key, safe='')}") for key in keys[:FOLDERS_MAX]}
    lists = {key: _names(each.json()) for key, each in answers.items() if each.status == _OK}
    classes = mapping(_json(web, f"{base}/object_info"))
    endings = {name: entry.get("extensions") for name, entry in by_name.items() if name in lists}
    return ServerFacts(
        loaders=dict(_loaders(classes, lists)),
        folders={name: _some(by_name[name].get("folders")) for name in lists},
        endings={name: _some(e) for name, e in endings.items() if isinstance(e, list)},
    )


def here(places: Iterable[str]) -> Iterator[Path]:
    """The directories that are on this machine too; one next to the root is none of models."""
    for text in places:
        place = windows.here(text) if windows.is_windows(text) else text
        path = Path(os.path.normpath(place)) if place and os.path.isabs(place) else None
        if path is not None and len(path.parts) > _ROOT_PARTS and os.path.isdir(path):
            yield path


def _folders(web: Web, base: str) -> dict[str, Mapping[str, Any]]:
    """The folder keys, each with what is told of it."""
    answer = _get(web, f"{base}/experiment/models")
    entries: list[Any] = []
    if answer.status == _OK:
        with contextlib.suppress(SourceDown):  # an experiment may answer anything
            entries = items(answer.json())
    named = (entry for entry in map(mapping, entries) if _is_text(entry.get("name")))
    by_name = {entry["name"]: entry for entry in named}
    return by_name or {name: {} for name in _texts(_json(web, f"{base}/models"))}


def _loaders(
    classes: Mapping[str, Any], lists: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, Loader]]:
    for node_type, declared in classes.items():
        inputs = {
            name: entry
            for name, choices in _combos(mapping(declared))
            if (entry := _input_of(choices, lists))
        }
        if inputs:
            yield node_type, Loader(inputs=inputs)


def _get(web: Web, url: str) -> Answer:
    return web.get(url, tries=1)  # it runs beside us, or it does not


def _json(web: Web, url: str) -> Any:
    answer = _get(web, url)
    if answer.status != _OK:
        raise SourceDown(Why.COMFYUI_STATUS, url=url, status=answer.status)
    return answer.json()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> list[str]:
    return [item for item in items(value) if isinstance(item, str)]


def _some(value: Any) -> tuple[str, ...]:
    return tuple(_texts(value)[:PLACES_MAX])


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(_slashes, _texts(value)))


def _slashes(name: str) -> str:
    return name.replace("\\", "/")


def _combos(declared: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Every input that offers a choice: as a list, or as the options of a COMBO."""
    for part in ("required", "optional"):
        for name, entry in mapping(mapping(declared.get("input")).get(part)).items():
            parts = items(entry)
            choices = parts[0] if parts else None
            if choices == "COMBO" and len(parts) > 1:
                choices = mapping(parts[1]).get("options")
            named = frozenset(c for c in _names(choices) if c.lower() not in _NO_CHOICE)
            if named:
                yield name, named


def _input_of(choices: frozenset[str], lists: Mapping[str, frozenset[str]]) -> LoaderInput | None:
    """The folder that the choices are from; several names of one folder are one."""
    same = [key for key, names in lists.items() if names == choices]
    holding = same or [key for key, names in lists.items() if choices <= names]
    folders = list(dict.fromkeys(map(folder_key, holding)))
    if len(folders) != 1:
        return None
    also = tuple(key for key in holding if key != folders[0])
    return LoaderInput(folder=folders[0], also=also)
