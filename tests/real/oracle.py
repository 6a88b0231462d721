"""What a running ComfyUI offered for inputs of well-known packs, held against what we say of them.

The packs are other people's code: whoever has them lays them out below a ComfyUI of theirs, which
`COMFYFIX_PACKS` names.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from comfyfix.comfyui.loaders.table import LoaderInput, Loaders, find
from comfyfix.comfyui.packs import installed
from comfyfix.comfyui.packs.facts import PackFacts
from comfyfix.comfyui.store import folders as comfyui_folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.reported import with_registered
from comfyfix.endings import LISTED

Row = dict[str, Any]
Judged = dict[str, list[str]]
"""`right`, `partly`, `wrong`, `unknown`, `missed` → the inputs that are."""
CORE = "core"
_LAID = LISTED - {".pt2"}  # of the other endings a file lay in every folder


def laid_out() -> Path | None:
    """The ComfyUI below which packs were laid out, if there is one."""
    told = os.environ.get("COMFYFIX_PACKS")
    return Path(told) if told else None


def truth(oracle: Path, packs: Iterable[str]) -> list[Row]:
    """What the real one offered for the inputs of some packs."""
    told = (oracle / "loader_truth.jsonl").read_text().splitlines()
    wanted = frozenset(packs)
    return [row for row in map(json.loads, told) if row["pack"] in wanted]


def packs_of(comfyui: Path) -> Iterator[str]:
    """The core, and every pack that is laid out."""
    yield CORE
    yield from (entry.name for entry in (comfyui / "custom_nodes").iterdir())


def read(comfyui: Path, cache: Path | None = None) -> tuple[PackFacts, Folders]:
    """What the installation says of itself, as a command reads it."""
    folders = comfyui_folders.read(comfyui, [], None)
    facts = installed.read(comfyui, [], cache, folders.paths)
    return facts, with_registered(folders, facts.folders)


def judged(rows: Iterable[Row], loaders: Loaders, folders: Folders) -> Judged:
    """Right: a new file goes where the input looks, and so does each look of ours."""
    found: Judged = defaultdict(list)
    for row in rows:
        entry = _input(row, loaders)
        found[_place(row, entry, folders)].append(f"{row['pack']}: {row['node']}.{row['input']}")
    return found


def too_many_endings(rows: Iterable[Row], loaders: Loaders) -> list[str]:
    """The inputs that are said to list files of endings which the real one did not list."""
    found = []
    for row in rows:
        entry = _input(row, loaders)
        if entry and entry.endings and row["extensions"] and not row["lists_directories"]:
            more = _LAID.intersection(entry.endings).difference(row["extensions"])
            found += [f"{row['node']}.{row['input']}: {sorted(more)}"] if more else []
    return found


def _input(row: Row, loaders: Loaders) -> LoaderInput | None:
    loader = find(loaders, row["node"])
    return loader.inputs.get(row["input"]) if loader else None


def _place(row: Row, entry: LoaderInput | None, folders: Folders) -> str:
    if entry is None or entry.folder is None:
        return "missed" if entry is None else "unknown"

    def below(path: Path) -> str:
        return os.path.relpath(path, folders.comfyui)

    listed = set(row["directories"])
    if below(folders.destination(entry.folder, "x").parent) not in listed:
        return "wrong"
    looked = {below(d) for key in (entry.folder, *entry.also) for d in folders.directories(key)}
    return "right" if listed <= looked else "partly"
