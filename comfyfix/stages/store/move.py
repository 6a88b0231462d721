"""A model that lies in the wrong folder: what would be moved where, and who finds it then.

Values: nothing is changed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import BESIDE, folder_key, is_folder_key
from comfyfix.disk import relocating
from comfyfix.disk.files import relative_name
from comfyfix.disk.relocating import Step
from comfyfix.disk.trash import trash_note
from comfyfix.errors import NameRefused, SetupProblem
from comfyfix.records import Model, Reason, because
from comfyfix.stages.needs.work import Plan
from comfyfix.stages.store.gc import Unit
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class MovedFile:
    """One file of a model: the model that it is by itself, and the one that it becomes."""

    was: Model
    path: str
    model: Model
    target: str


@dataclass(frozen=True, slots=True)
class Move:
    """A model, what it becomes, its files, and the steps in which it goes: one for a directory."""

    was: Model
    model: Model
    files: tuple[MovedFile, ...]
    steps: tuple[Step, ...]
    finds: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()


def key_of(folders: Folders, name: str) -> str:
    """The folder key that a user names. Raises SetupProblem."""
    key = folder_key(name)
    sound = is_folder_key(name) and key not in BESIDE
    # Of a pack that is away, or does not register it, the folder alone is known.
    if not sound or not (key in folders.paths or os.path.isdir(folders.place(key, ""))):
        known = sorted(known for known in folders.paths if known not in BESIDE)
        raise SetupProblem(Why.MOVE_FOLDER_UNKNOWN, folder=name, known=known)
    return key


def unit_of(units: Sequence[Unit], name: str) -> Unit | None:
    """The file, set or directory of ours that a name fits. Raises SetupProblem for several."""
    hits = [unit for unit in units if name in _names(unit)]
    whole = [unit for unit in hits if name == unit.model.key] or hits
    if len(whole) > 1:
        keys = [unit.model.key for unit in whole]
        raise SetupProblem(Why.MODELS_OF_ONE_NAME, name=name, models=keys, first=keys[0])
    return whole[0] if whole else None


def _names(unit: Unit) -> set[str]:
    base = unit.path.rpartition("/")[0]
    shards = {path.removeprefix(f"{base}/") for path in unit.files} if unit.model.shards else set()
    return {unit.model.key, unit.model.path, unit.model.name, *shards}


def directory_of(folders: Folders, name: str) -> tuple[Model, str] | None:
    """A directory that a name leads to (`LLM/Florence-2`), and where it lies."""
    for model in models_called(name):
        key = model.folder or ""
        if key not in BESIDE and (place := folders.directory(key, model.path)):
            return model, place
    return None


def models_called(name: str) -> list[Model]:
    """The models that a key (`LLM/Florence-2`) may be that of: a folder may have a `/` in its name.

    The shortest folder comes first.
    """
    try:
        parts = relative_name(name).split("/")
    except NameRefused:
        return []
    cut = [("/".join(parts[:n]), "/".join(parts[n:])) for n in range(1, len(parts))]
    return [Model(folder=key, path=path) for key, path in cut if is_folder_key(key)]


def why_stays(unit: Unit, links: Iterable[str], units: Sequence[Unit]) -> Reason | None:
    """Why a unit must not be moved: a link, a part of a directory, or what links lead to."""
    if unit.reason is not None and unit.reason.why != Why.GC_OTHER_NAMES:
        return unit.reason  # a further hard link leads to it wherever it lies
    identities = set(unit.files.values())
    names = [path for any_unit in units for path, i in any_unit.files.items() if i in identities]
    leads_here = any(link in unit.files or link.startswith(f"{unit.path}/") for link in links)
    return because(Why.MOVE_LINKED) if leads_here or any(map(os.path.islink, names)) else None


def files_of(unit: Unit, folders: Folders, key: str) -> list[MovedFile]:
    """Where each file of a file or a set goes. Raises SetupProblem where it would not be listed."""
    base = unit.path.rpartition("/")[0]
    inside = unit.model.path.rpartition("/")[0]
    made = []
    for path in unit.files:
        below = unit.model.path
        if unit.model.shards:
            below = os.path.join(inside, path.removeprefix(f"{base}/"))
        if not folders.accepts(key, below):
            raise SetupProblem(Why.MOVE_NOT_LISTED, name=below, folder=key)
        model, was = Model(folder=key, path=below), Model(folder=unit.model.folder, path=below)
        made.append(MovedFile(was, path, model, folders.place(key, below)))
    return made


def step_of(store: str, path: str, target: str) -> Step | Reason:
    """What the disk is asked for, or why it can't be. Raises OSError."""
    places = []
    for name in (path, target):
        folder, _, last = name.rpartition("/")
        place = f"{os.path.realpath(folder)}/{last}".removeprefix(f"{store}/")
        if not trash_note.is_place(place):
            return because(Why.GC_OUTSIDE)
        places.append(place)
    if places[0] == places[1]:
        return because(Why.MOVE_IS_THERE)
    if os.path.islink(path):
        return because(Why.GC_IS_LINK)
    return Step(places[0], places[1], relocating.stamp_of(path))


def workflows_finding(plan: Plan, model: Model) -> tuple[str, ...]:
    """The workflows that look for a model in vain by now, and would find it."""
    finding: dict[str, None] = {}
    for planned in plan.models:
        named = folder_key(planned.model.folder or ""), planned.model.path
        if named == (model.folder, model.path) and not os.path.exists(planned.location):
            finding |= dict.fromkeys(planned.workflows)
    return tuple(finding)


def workflows_losing(plan: Plan, paths: Iterable[str]) -> tuple[str, ...]:
    """The workflows that find it where it lies now, and would not any more."""
    places = set(paths)
    losing: dict[str, None] = {}
    for planned in plan.models:
        if planned.location in places:
            losing |= dict.fromkeys(planned.workflows)
    for present in plan.present:
        if not places.isdisjoint((present.location, *(str(path) for _, path in present.members))):
            losing |= dict.fromkeys(reference.workflow for reference in present.references)
    return tuple(losing)
