"""Installs: which ComfyUI a user has, the nearest first, and what is worth telling of each.

Bounded: only named places and the folders just around them are looked at, never a whole disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from comfyfix.comfyui.store import folders as comfyui_folders
from comfyfix.comfyui.store.elsewhere import (
    Place,
    below,
    home_in_windows,
    home_of,
    place_of,
    told_by_programs,
)
from comfyfix.comfyui.store.installation import Options, looks_like_one, meant_by
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.disk import windows
from comfyfix.disk.files import led_into
from comfyfix.errors import Problem, SetupProblem
from comfyfix.records import Reason, because
from comfyfix.settings import STATE_IN_COMFYUI
from comfyfix.why import Why

_ABOVE_MAX = 8
_PORTABLE = "ComfyUI_windows_portable/ComfyUI"
_NAMES = ("ComfyUI", "comfyui", _PORTABLE, "comfy/ComfyUI", "ComfyUI/ComfyUI")
# Folders of a home that people put programs into.
_FOLDERS = (
    "", "Documents", "Downloads", "Desktop", "AI", "ai", "apps", "code", "dev", "git", "projects",
    "repos", "src", "tools", "workspace", "pinokio/api/comfy.git/app",
)  # fmt: skip
_OF_MACHINES = (
    "/opt/ComfyUI", "/opt/comfyui", "/workspace/ComfyUI", "/app/ComfyUI", "/ComfyUI",
    "/comfyui", "/data/ComfyUI", "/srv/ComfyUI", "/usr/local/ComfyUI", "/home/comfyui/ComfyUI",
)  # fmt: skip
_NOT_OF_PEOPLE = ("All Users", "Default", "Default User", "Public")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a search starts from: the working folder, the home, the variables, the system."""

    at: Path
    home: Path
    environ: Mapping[str, str]
    system: str
    drives: Path = Path("/mnt")
    machine: tuple[str, ...] = _OF_MACHINES


def find(asked: str, around: Surroundings) -> list[Place]:
    """Every ComfyUI that is found, the nearest first, each once.

    Where a folder is `asked` for, that alone is looked at. Raises SetupProblem where none is found,
    which tells where it was looked for.
    """
    found: dict[str, Place] = {}
    for place in _asked(around.at / os.path.expanduser(asked)) if asked else _places(around):
        key = os.path.realpath(place.base or place.path)
        if key not in found and (place.base is not None or looks_like_one(place.path)):
            found[key] = place
    if not found:
        raise SetupProblem(Why.COMFYUI_NOWHERE, places=_told(asked, around))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a manifest says of one ComfyUI, and what its user should hear.

    `workflows` counts those that it has saved in `saved`; `store` is where new models go; `output`
    is where our state lies, relative to the manifest. `remarks` tell what can't be read.
    """

    place: Place
    saved: Path
    workflows: int
    store: Path
    output: str
    also: tuple[Path, ...] = ()
    remarks: tuple[Reason, ...] = ()


def propose(place: Place, at: Path) -> Proposal:
    """Look at one ComfyUI for a manifest that lies in `at`."""
    base = place.base or place.path
    saved = base / "user" / "default" / "workflows"
    remarks: list[Reason] = []
    count, store, also = 0, base / "models", place.also
    try:
        options = Options(base_directory=place.base)
        read = comfyui_folders.read(
            place.path, place.extra, None, options=options, hear=remarks.append
        )
        store = read.destination("checkpoints", "").parent
        roots = [path for key in ("checkpoints", "loras") for path in read.directories(key)]
        also = tuple(path for path in also if not any(led_into(root, path) for root in roots))
    except Problem as problem:
        remarks.append(problem.reason)
    try:
        count = len(workflow_files.find([str(saved)])) if os.path.isdir(saved) else 0
    except Problem as problem:
        remarks.append(problem.reason)
    # ComfyUI keeps its pictures in an output/ of its own.
    own = any(os.path.realpath(at) == os.path.realpath(path) for path in (place.path, base))
    output = STATE_IN_COMFYUI if own else "output"
    return Proposal(place, saved, count, store, output, also, tuple(remarks))


def _asked(path: Path) -> Iterator[Place]:
    said = because(Why.COMFYUI_GIVEN)
    path = Path(os.path.normpath(path))
    yield Place(path, said)
    if not looks_like_one(path) and (meant := meant_by(path)) is not None:
        yield Place(meant, because(Why.COMFYUI_GIVEN))


def _places(around: Surroundings) -> Iterator[Place]:
    at = around.at
    yield Place(at, because(Why.COMFYUI_HERE))
    children = (at / name for name in (*_NAMES, "Packages/ComfyUI", "Data/Packages/ComfyUI"))
    yield from _all(children, Why.COMFYUI_BELOW)
    yield from _all(below(at), Why.COMFYUI_BELOW)
    for number, folder in enumerate(at.parents[:_ABOVE_MAX]):
        yield Place(folder, because(Why.COMFYUI_ABOVE))
        if number == 0:  # a project beside its ComfyUI
            yield from _all((folder / name for name in _NAMES), Why.COMFYUI_BESIDE)
    if told := around.environ.get("COMFYUI_PATH", ""):
        path = place_of(told, around.environ) or at / os.path.expanduser(told)
        yield Place(path, because(Why.COMFYUI_OF_VARIABLE))
    own = home_of(around.home, around.system, around.environ)
    yield from told_by_programs(own, around.environ)
    yield from _all(_usual(around.home), Why.COMFYUI_USUAL)
    yield from _all(map(Path, around.machine), Why.COMFYUI_USUAL)
    if windows.in_wsl(around.environ):
        yield from _of_windows(around)


def _of_windows(around: Surroundings) -> Iterator[Place]:
    """The Windows side of WSL: its users' programs and folders, and the roots of its drives."""
    for drive in below(around.drives):
        if len(drive.name) == 1:
            for user in below(drive / "Users"):
                if user.name not in _NOT_OF_PEOPLE:
                    yield from told_by_programs(home_in_windows(user), around.environ)
                    yield from _all(_usual(user), Why.COMFYUI_USUAL)
            yield from _all(_usual(drive), Why.COMFYUI_USUAL)


def _usual(home: Path) -> Iterator[Path]:
    return (home / folder / name for folder in _FOLDERS for name in _NAMES)


def _all(paths: Iterable[Path], why: Why) -> Iterator[Place]:
    return (Place(path, because(why)) for path in paths)


def _told(asked: str, around: Surroundings) -> tuple[str, ...]:
    if asked:
        return (asked,)
    variable = around.environ.get("COMFYUI_PATH", "")
    settings = ("comfy-cli", "ComfyUI Desktop", "StabilityMatrix")
    windows_side = (f"{around.drives}/*/Users",) if windows.in_wsl(around.environ) else ()
    places = (str(around.at), variable, *settings, str(around.home), *windows_side)
    return tuple(filter(None, places))
