"""Which files of a store could go, and why others must not: values, nothing is moved.

What belongs together goes together: the shards of a set, and a directory that we have fetched.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import CORE, MORE_OF_CORE, folder_key
from comfyfix.comfyui.store.together import Together
from comfyfix.disk import json_file, trash_item
from comfyfix.disk.trash_note import Item
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
    sha256: str = ""
    items: tuple[Item, ...] = ()
    reason: Reason | None = None
    needed: Sequence[str] = ()
    last_used: str = ""

    @property
    def may_go(self) -> bool:
        """Tell whether it could be moved: nobody needs it and nothing is in the way."""
        return not self.needed and self.reason is None


@dataclass(frozen=True, slots=True)
class Known:
    """What this project knows of the store's files: receipts by path, records, the ledger.

    `contents` is what is known to be published, by sha256: whose word that is.
    """

    folders: Folders
    trust: Trust
    receipts: Mapping[str, Receipt]
    records: Mapping[str, Record]
    entries: Mapping[str, Entry]
    contents: Mapping[str, Reason] = field(default_factory=dict)
    directories: dict[str, Record] = field(default_factory=dict)
    together: Together = field(default_factory=Together)
    reals: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for record in self.records.values():
            if record.files and record.new:
                self.directories[record.folder] = record

    def real(self, folder: str) -> str:
        """A folder with every link followed, asked of the disk once."""
        if folder not in self.reals:
            self.reals[folder] = os.path.realpath(folder)
        return self.reals[folder]


def units(choices: Iterable[Choice], known: Known, needs: Needs) -> list[Unit]:
    """Put the files of a store together to what goes as a whole."""
    groups: dict[tuple[str, str], list[Choice]] = {}
    for choice in choices:
        groups.setdefault(_group(choice, known), []).append(choice)
    made = [_unit(kind, place, group, known, needs) for (kind, place), group in groups.items()]
    # A file is needed under each of its names where it is under one.
    names: dict[Identity, int] = {}
    for unit in made:
        for identity in unit.files.values():
            names[identity] = names.get(identity, 0) + 1
    return sorted((_with_names(unit, names) for unit in made), key=lambda unit: unit.path)


def _with_names(unit: Unit, names: Mapping[Identity, int]) -> Unit:
    if unit.reason is None and any(names[identity] > 1 for identity in unit.files.values()):
        return replace(unit, items=(), reason=because(Why.GC_OTHER_NAMES))
    return unit


def _group(choice: Choice, known: Known) -> tuple[str, str]:
    path = str(choice.path)
    for folder in _above(path):
        if folder in known.directories:
            return "directory", folder
    if choice.model.shards:
        base = path.removesuffix(choice.model.path)
        return "set", base + choice.model.shards[0]
    return "file", path


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _unit(kind: str, place: str, group: list[Choice], known: Known, needs: Needs) -> Unit:
    first = group[0]
    record = known.directories.get(place) if kind == "directory" else None
    model = record.model if record else first.model
    if kind == "set":
        model = Model(folder=model.folder, path=model.shards[0])
    files = {str(choice.path): choice.identity for choice in group}
    infos = {path: _stat(path) for path in files}
    paths = [place] if kind == "directory" else list(files)
    reason: Reason | None = None
    items: tuple[Item, ...] = ()
    if kind == "directory":
        reason = _odd_directory(place, record, known) if record else None
    elif any(info is None or not stat.S_ISREG(info.st_mode) for info in infos.values()):
        reason = because(Why.GC_IS_LINK)
    elif any(info is not None and info.st_nlink > 1 for info in infos.values()):
        reason = because(Why.GC_OTHER_NAMES)
    elif _in_a_directory(first, known):
        reason = because(Why.GC_OF_A_DIRECTORY)
    if reason is None:
        items, reason = _items(paths, known)
    receipts = [known.receipts.get(path) for path in files]
    return Unit(
        model=model,
        path=place if kind == "directory" else str(first.path),
        files=files,
        size=(record.size if record else None) or total(group),
        at=max((info.st_mtime for info in infos.values() if info), default=0),
        fetched=_came_by_us(known.entries.get(model.key))
        and all(_holds(known, path, infos[path]) for path in files),
        sha256=(receipts[0].sha256 if receipts[0] else "") if len(files) == 1 else "",
        items=items,
        reason=reason,
        needed=needs.of(model, files, directory=kind == "directory"),
        last_used=_last_used(known.entries.get(model.key), infos.values()),
    )


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _items(paths: Sequence[str], known: Known) -> tuple[tuple[Item, ...], Reason | None]:
    store = known.real(str(known.folders.store))
    try:
        found = [trash_item.item_of(store, path, known.real) for path in paths]
    except OSError as error:
        return (), because(Why.SYSTEM_SAYS, error=error.strerror or error)
    items = tuple(item for item in found if item is not None)
    if len(items) < len(paths):
        return (), because(Why.GC_OUTSIDE)
    return items, None


def _holds(known: Known, path: str, info: os.stat_result | None) -> bool:
    """Tell whether we have fetched this very file."""
    receipt = known.receipts.get(path)
    if receipt is None or info is None or receipt.identified or receipt.origin:
        return False
    return bool(receipt.script) and known.trust.holds(receipt, path, info)


def _newest_done(entry: Entry | None) -> tuple[str, Came | None]:
    done = [a for a in entry.attempts if a.outcome == Outcome.DONE] if entry else []
    return (done[-1].at, done[-1].came) if done else ("", None)


def _came_by_us(entry: Entry | None) -> bool:
    """Tell whether the newest run that brought it has fetched it, and not found it there."""
    return _newest_done(entry)[1] is Came.FETCHED


def _last_used(entry: Entry | None, infos: Iterable[os.stat_result | None]) -> str:
    read = [info.st_atime for info in infos if info and info.st_atime > info.st_mtime + 1]
    told = json_file.at(max(read)) if read else ""
    return max(_newest_done(entry)[0], told)


def _in_a_directory(choice: Choice, known: Known) -> bool:
    """Tell whether a file seems to belong to a directory model that nobody has told us of."""
    path, base = str(choice.path), str(choice.path).removesuffix(choice.model.path)
    return any(
        known.together.is_marked(folder) for folder in _above(path) if folder.startswith(base)
    )


def _odd_directory(place: str, record: Record, known: Known) -> Reason | None:
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
                if path not in members or not plain or not _holds(known, path, info):
                    return because(Why.GC_OF_A_DIRECTORY)
                seen.add(path)
    except OSError as error:
        return because(Why.SYSTEM_SAYS, error=error.strerror or error)
    return None if seen else because(Why.GC_OF_A_DIRECTORY)


def may_go(every: Iterable[Unit], *, everything: bool) -> list[Unit]:
    """What nobody needs and nothing holds: what we have fetched, or `everything`.

    What packs read besides the core they may have fetched themselves, without a word in a workflow.
    """
    return [
        unit
        for unit in every
        if unit.may_go
        and (unit.fetched or (everything and folder_key(unit.model.folder or "") in _OF_THE_CORE))
    ]


def still(unit: Unit, known: Known) -> Reason | None:
    """Look once more at a unit, just before it goes: each file has to be as it was seen."""
    changed = because(Why.GC_CHANGED, path=unit.path)
    for path, identity in unit.files.items():
        info = _stat(path)
        if info is None or identity_of(path, info) != identity:
            return changed
        if unit.fetched and not _holds(known, path, info):
            return changed
    record = known.directories.get(unit.path)
    if record and unit.items and unit.items[0].is_directory:
        return _odd_directory(unit.path, record, known)
    return None
