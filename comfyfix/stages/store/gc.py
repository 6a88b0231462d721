"""Which files of a store could go, and why others must not: values, nothing is moved.

What belongs together goes together: the shards of a set, and a directory that we have fetched.
"""

from __future__ import annotations

import functools
import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import CORE, MORE_OF_CORE, folder_key
from comfyfix.comfyui.store.together import Together, folders_above
from comfyfix.disk import json_file
from comfyfix.disk.trash import trash_item
from comfyfix.disk.trash.trash_note import Item
from comfyfix.errors import system_says
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Model, Reason, Receipt, Record, because
from comfyfix.stages.store.needed import Needs
from comfyfix.stages.store.sweep import Choice, total
from comfyfix.state.hashing import Identity, identity_of
from comfyfix.state.ledger import Entry
from comfyfix.state.trust import Trust
from comfyfix.why import Why

_OF_THE_CORE = frozenset((*CORE, *MORE_OF_CORE))


@dataclass(frozen=True, slots=True)
class Unit:
    """What goes as a whole: a file, the files of a set, or a directory (`path` is its place).

    `fetched`: this project has fetched it, and it is as it was then. `items` are what would be
    moved; none where `reason` says why it must stay. `at` is when it was written last (seconds),
    `last_used` when a run has brought it or, where the disk notes it, when it was read since.
    """

    model: Model
    path: str
    files: Mapping[str, Identity]
    size: int
    at: float
    fetched: bool
    items: tuple[Item, ...] = ()
    reason: Reason | None = None
    needed: Sequence[str] = ()
    last_used: str = ""

    @property
    def may_go(self) -> bool:
        """Tell whether it could be moved: nobody needs it and nothing is in the way."""
        return not self.needed and self.reason is None


@dataclass(frozen=True)
class Provenance:
    """What this project knows of the store's files: receipts and records by path, the ledger.

    `contents` is what is known to be published, by sha256: whose word that is.
    """

    folders: Folders
    trust: Trust
    receipts: Mapping[str, Receipt]
    records: Mapping[str, Record]
    entries: Mapping[str, Entry]
    contents: Mapping[str, Reason] = field(default_factory=dict)
    together: Together = field(default_factory=Together)
    real: Callable[[str], str] = field(default_factory=lambda: functools.cache(os.path.realpath))

    def directory(self, path: str) -> Record | None:
        """The record of the directory that we have put there as a whole."""
        return self._directories.get(path)

    @functools.cached_property
    def _directories(self) -> dict[str, Record]:
        return {r.folder: r for r in self.records.values() if r.files and r.new}


def units(choices: Iterable[Choice], provenance: Provenance, needs: Needs) -> list[Unit]:
    """Put the files of a store together to what goes as a whole."""
    groups: dict[tuple[str, bool], list[Choice]] = {}
    for choice in choices:
        groups.setdefault(_group(choice, provenance), []).append(choice)
    made = [_unit(*group, files, provenance, needs) for group, files in groups.items()]
    # A file is needed under each of its names where it is under one.
    names = Counter(identity for unit in made for identity in unit.files.values())
    return sorted((_with_names(unit, names) for unit in made), key=lambda unit: unit.path)


def _with_names(unit: Unit, names: Counter[Identity]) -> Unit:
    if unit.reason is None and any(names[identity] > 1 for identity in unit.files.values()):
        return replace(unit, items=(), reason=because(Why.GC_OTHER_NAMES))
    return unit


def _group(choice: Choice, provenance: Provenance) -> tuple[str, bool]:
    """What tells the unit of a file from others: a path, and whether it is a directory's."""
    path = str(choice.path)
    for folder in folders_above(path):
        if provenance.directory(folder):
            return folder, True
    if choice.model.shards:
        path = path.removesuffix(choice.model.path) + choice.model.shards[0]
    return path, False


def _unit(
    place: str, is_directory: bool, choices: list[Choice], provenance: Provenance, needs: Needs
) -> Unit:
    first = choices[0]
    files = {str(choice.path): choice.identity for choice in choices}
    infos = {path: _stat(path) for path in files}
    record = provenance.directory(place) if is_directory else None
    if record:
        model, path, moved = record.model, place, [place]
        reason = _odd_directory(place, record, provenance)
    else:
        shards = first.model.shards
        model = Model(folder=first.model.folder, path=shards[0]) if shards else first.model
        path, moved = str(first.path), list(files)
        reason = _odd_file(first, infos.values(), provenance)
    items: tuple[Item, ...] = ()
    if reason is None:
        items, reason = _items(moved, provenance)
    brought_at, came = _newest_done(provenance.entries.get(model.key))
    read = [i.st_atime for i in infos.values() if i and i.st_atime > i.st_mtime + 1]
    return Unit(
        model=model,
        path=path,
        files=files,
        size=(record.size if record else None) or total(choices),
        at=max((info.st_mtime for info in infos.values() if info), default=0),
        fetched=came is Came.FETCHED  # by the newest run that brought it, and not found there
        and all(_is_fetched(path, info, provenance) for path, info in infos.items()),
        items=items,
        reason=reason,
        needed=needs.of(model, files, directory=is_directory),
        last_used=max(brought_at, json_file.at(max(read)) if read else ""),
    )


def _odd_file(
    first: Choice, infos: Collection[os.stat_result | None], provenance: Provenance
) -> Reason | None:
    """Why a file or a set must stay."""
    if any(info is None or not stat.S_ISREG(info.st_mode) for info in infos):
        return because(Why.GC_IS_LINK)
    if any(info is not None and info.st_nlink > 1 for info in infos):
        return because(Why.GC_OTHER_NAMES)
    # Of a directory model, it seems, that nobody has told us of.
    path = str(first.path)
    base = path.removesuffix(first.model.path)
    inside = (folder for folder in folders_above(path) if folder.startswith(base))
    is_part = any(map(provenance.together.is_marked, inside))
    return because(Why.GC_OF_A_DIRECTORY) if is_part else None


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _items(paths: Sequence[str], provenance: Provenance) -> tuple[tuple[Item, ...], Reason | None]:
    store = provenance.real(str(provenance.folders.store))
    try:
        movable = [trash_item.item_of(store, path, provenance.real) for path in paths]
    except OSError as error:
        return (), system_says(error)
    items = tuple(item for item in movable if item is not None)
    if len(items) < len(paths):
        return (), because(Why.GC_OUTSIDE)
    return items, None


def _is_fetched(path: str, info: os.stat_result | None, provenance: Provenance) -> bool:
    """Tell whether we have fetched this very file."""
    receipt = provenance.receipts.get(path)
    if receipt is None or info is None or receipt.identified or receipt.origin:
        return False
    return bool(receipt.script) and provenance.trust.holds(receipt, path, info)


def _newest_done(entry: Entry | None) -> tuple[str, Came | None]:
    done = [a for a in entry.attempts if a.outcome == Outcome.DONE] if entry else []
    return (done[-1].at, done[-1].came) if done else ("", None)


def _odd_directory(place: str, record: Record, provenance: Provenance) -> Reason | None:
    """Why a directory must stay: it holds something that we have not fetched, or can't be read."""
    members = {member.destination for member in record.members}
    seen = set()

    def refused(error: OSError) -> None:
        raise error

    try:
        if os.path.islink(place):
            return because(Why.GC_IS_LINK)
        for folder, below, files in os.walk(place, onerror=refused):
            if any(os.path.islink(f"{folder}/{name}") for name in below):
                return because(Why.GC_OF_A_DIRECTORY)
            for name in files:
                path = f"{folder}/{name}"
                info = os.lstat(path)
                plain = stat.S_ISREG(info.st_mode) and info.st_nlink == 1
                if path not in members or not plain or not _is_fetched(path, info, provenance):
                    return because(Why.GC_OF_A_DIRECTORY)
                seen.add(path)
    except OSError as error:
        return system_says(error)
    return None if seen else because(Why.GC_OF_A_DIRECTORY)


def removable(units: Iterable[Unit], *, everything: bool) -> list[Unit]:
    """What nobody needs and nothing holds: what we have fetched, or `everything`.

    What packs read besides the core they may have fetched themselves, without a word in a workflow.
    """
    return [
        unit
        for unit in units
        if unit.may_go
        and (unit.fetched or (everything and folder_key(unit.model.folder or "") in _OF_THE_CORE))
    ]


def look_again(unit: Unit, provenance: Provenance) -> Reason | None:
    """Tell why a unit must stay, just before it goes: each file has to be as it was seen."""
    for path, identity in unit.files.items():
        info = _stat(path)
        same = info is not None and identity_of(path, info) == identity
        if not same or (unit.fetched and not _is_fetched(path, info, provenance)):
            return because(Why.GC_CHANGED, path=unit.path)
    record = provenance.directory(unit.path)
    if record and unit.items and unit.items[0].is_directory:
        return _odd_directory(unit.path, record, provenance)
    return None
