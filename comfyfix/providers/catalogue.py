"""Known catalogues: which addresses the makers of ComfyUI and of its Manager give for a name.

Two lists, both on the user's own disk: the official workflow templates (a package that their
publisher keeps current) and that of ComfyUI-Manager where it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import folder_key
from comfyfix.loose_json import dicts, hint_list, hints, mapping
from comfyfix.once import asked_once
from comfyfix.providers import manager_lists
from comfyfix.records import Hint


class Listed(NamedTuple):
    """Where a file belongs, as a place below the models folder, and what is known of it."""

    place: str
    hint: Hint


class Catalogue:
    """What both lists say, read at the first question; safe to share between threads."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def addresses(self, name: str) -> list[Listed]:
        """Where files of this name are, and where each belongs."""
        return self._index().get(name, [])

    @asked_once
    def _index(self) -> dict[str, list[Listed]]:
        index: dict[str, list[Listed]] = {}
        managers = (_at(entry.place, entry.url) for entry in manager_lists.entries(self._folders))
        for listed in dict.fromkeys([*_of_templates(), *managers]):
            index.setdefault(listed.hint.name, []).append(listed)
        return index


@cache
def _of_templates() -> tuple[Listed, ...]:
    """Every address that an official template embeds: 30 MB, read once by a process."""
    return tuple(dict.fromkeys(_in_templates()))


def _in_templates() -> Iterator[Listed]:
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
            if hint.folder:
                yield _at(f"{hint.folder}/{hint.name}", hint.url.partition("?")[0])


def _hints_in(data: bytes) -> Iterator[Hint]:
    """The addresses in one template; its graph is not looked at, which takes ten times as long."""
    try:
        template = mapping(msgspec.json.decode(data))
    except (msgspec.DecodeError, RecursionError):
        return
    yield from hint_list(template.get("models"))
    for graph in (template, *dicts(mapping(template.get("definitions")).get("subgraphs"))):
        for node in dicts(graph.get("nodes")):
            yield from hints(node)


def _at(place: str, url: str) -> Listed:
    """A file that belongs at a place; its folder is told as the place, its first part alone."""
    folder, _, name = place.rpartition("/")
    return Listed(place, Hint(name=name, url=url, folder=folder_key(folder.partition("/")[0])))
