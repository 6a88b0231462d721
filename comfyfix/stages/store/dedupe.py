"""Which files of a store are equal, which of each kind stays, and how the others could share it.

Values: nothing is changed here. A file is one inode, however many names it has.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from comfyfix.comfyui.store.folders import Folders
from comfyfix.disk import held, regular
from comfyfix.disk.trash import trash_note
from comfyfix.disk.twins import blocks
from comfyfix.disk.twins.twins import Kept, Twin
from comfyfix.records import Model, Reason, because
from comfyfix.stages.store.sweep import Choice
from comfyfix.state.hashing import Identity
from comfyfix.why import Why

Way = Literal["link", "clone"]
CLONED_MIN = 1 << 12
"""Bytes of a file from which on there is a block to be shared."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One file: the models that its names are, its places below the store, how it was.

    `places` are those of its own names and not of symbolic links. `reason` is why it is not
    touched, whatever it is equal to.
    """

    identity: Identity
    names: tuple[tuple[Model, str], ...]
    places: tuple[str, ...]
    info: os.stat_result
    reason: Reason | None = None

    @property
    def model(self) -> Model:
        """The model that it is told by."""
        return self.names[0][0]

    @property
    def path(self) -> str:
        """Where it lies, by its first name."""
        return self.names[0][1]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two equal files: `other` could share what `kept` has, in some way; or why it can't."""

    kept: Copy
    other: Copy
    way: Way | None = None
    reason: Reason | None = None


@dataclass(slots=True)
class Duplicates:
    """What is equal. `shared` are names that are links of one file, or files of the same blocks."""

    pairs: list[Pair] = field(default_factory=list)
    shared: int = 0
    shared_bytes: int = 0

    @property
    def planned(self) -> list[Pair]:
        """What something could be won by."""
        return [pair for pair in self.pairs if pair.way]

    @property
    def left(self) -> list[Pair]:
        """What stays as it is, each with its reason."""
        return [pair for pair in self.pairs if pair.reason]


def copies(
    choices: Iterable[Choice],
    folders: Folders,
    others: Sequence[str],
    no_key: Callable[[Model], bool],
) -> list[Copy]:
    """Put the names of each file together. `others`: folders of other programs, links followed.

    `no_key` tells whether the store's receipt of a model is signed, and could not be so again.
    """
    store, real = os.path.realpath(folders.store), functools.cache(os.path.realpath)

    def place_of(choice: Choice) -> str | Reason:
        """Its place below the store, or why it is not touched."""
        folder, _, name = str(choice.path).rpartition("/")
        path = f"{real(folder)}/{name}"
        place = path.removeprefix(f"{store}/")
        if any(path.startswith(f"{other}/") for other in others):
            return because(Why.DEDUPE_OTHERS)
        if not trash_note.is_place(place):
            return because(Why.GC_OUTSIDE)
        if not os.access(real(folder), os.W_OK | os.X_OK):
            return because(Why.DEDUPE_READ_ONLY, path=folder)
        return place

    groups: dict[Identity, list[Choice]] = {}
    for choice in choices:
        groups.setdefault(choice.identity, []).append(choice)
    made = []
    for group in groups.values():
        with contextlib.suppress(OSError):
            made.append(_copy(group, place_of, no_key))
    return made


def _copy(
    group: Sequence[Choice],
    place_of: Callable[[Choice], str | Reason],
    no_key: Callable[[Model], bool],
) -> Copy:
    info = os.stat(group[0].path)
    places: dict[str, None] = {}
    reason: Reason | None = None
    for choice in group:
        if stat.S_ISLNK(os.lstat(choice.path).st_mode):
            continue  # it leads to the name that is left in any case
        place = place_of(choice)
        if isinstance(place, Reason):
            reason = place
        else:
            places[place] = None
        if no_key(choice.model):
            reason = reason or because(Why.DEDUPE_NO_KEY)
    if not places and reason is None:
        reason = because(Why.GC_IS_LINK)
    names = tuple((choice.model, str(choice.path)) for choice in group)
    return Copy(group[0].identity, names, tuple(places), info, reason)


def of_equal_size(copies: Iterable[Copy]) -> list[Copy]:
    """Those that may be equal to another; an empty file holds nothing that could be shared."""
    sizes: dict[int, list[Copy]] = {}
    for copy in copies:
        sizes.setdefault(copy.info.st_size, []).append(copy)
    return [copy for size, group in sizes.items() if size and len(group) > 1 for copy in group]


def duplicates(copies: Iterable[Copy], hashes: Mapping[str, str]) -> Duplicates:
    """Say what is equal, by the sha256 of paths as far as they are known."""
    made = Duplicates()
    groups: dict[str, list[Copy]] = {}
    for copy in copies:
        more_names = max(len(copy.places) - 1, 0)
        made.shared += more_names
        made.shared_bytes += more_names * copy.info.st_size
        digest = next((hashes[path] for _, path in copy.names if path in hashes), "")
        if digest and copy.info.st_size:
            groups.setdefault(digest, []).append(copy)
    for group in groups.values():
        if len(group) > 1:
            _add_pairs(sorted(group, key=lambda copy: (copy.info.st_mtime_ns, copy.path)), made)
    made.pairs.sort(key=lambda pair: (pair.kept.model.key, pair.other.model.key))
    return made


def _add_pairs(group: Sequence[Copy], made: Duplicates) -> None:
    """Pair each file of a content with the oldest that it can share with."""
    heads: dict[int, list[Copy]] = {}  # by disk: what others can become names of
    attributes = {copy.identity: _attributes(copy) for copy in group}
    blocked = [copy for copy in group if copy.reason]
    for copy in group:
        if copy.reason:
            continue
        mine = heads.setdefault(copy.info.st_dev, [])
        like = [head for head in mine if attributes[head.identity] == attributes[copy.identity]]
        if like and attributes[copy.identity] and copy.info.st_nlink == len(copy.places):
            made.pairs.append(Pair(like[0], copy, "link"))
            continue
        if mine and (pair := _cloned(mine[0], copy, made)):
            made.pairs.append(pair)
        mine.append(copy)
    first, *more = [mine[0] for mine in heads.values()] or [blocked.pop(0)]
    made.pairs += [Pair(first, copy, reason=because(Why.DEDUPE_OTHER_DISK)) for copy in more]
    made.pairs += [Pair(first, copy, reason=copy.reason) for copy in blocked]


def _attributes(copy: Copy) -> tuple[object, ...] | None:
    with contextlib.suppress(OSError), regular.opened(copy.path) as stream:
        return held.attributes(stream.fileno())
    return None


def _cloned(head: Copy, copy: Copy, made: Duplicates) -> Pair | None:
    """How a file can share blocks with another of its disk; None where it does so already."""
    why = Why.GC_OTHER_NAMES if copy.info.st_nlink != len(copy.places) else Why.DEDUPE_ATTRIBUTES
    with (
        contextlib.suppress(OSError),
        regular.opened(head.path) as one,
        regular.opened(copy.path) as other,
    ):
        if blocks.are_shared(one.fileno(), other.fileno()):
            made.shared += 1
            made.shared_bytes += copy.info.st_size
            return None
        if copy.info.st_size >= CLONED_MIN and blocks.can_share(one.fileno(), other.fileno()):
            return Pair(head, copy, "clone")
    return Pair(head, copy, reason=because(why))


def steps(pairs: Iterable[Pair], files_max: int, bytes_max: int) -> Iterator[list[Pair]]:
    """Cut what is to be done into steps: so many files or bytes at a time, one at least."""
    step: list[Pair] = []
    size = 0
    for pair in pairs:
        if step and (len(step) >= files_max or size + pair.other.info.st_size > bytes_max):
            yield step
            step, size = [], 0
        step.append(pair)
        size += pair.other.info.st_size
    if step:
        yield step


def by_kept(step: Iterable[Pair]) -> list[tuple[Kept, list[Pair]]]:
    """What the disk is asked for, of one step: each file that stays with those that give way."""
    groups: dict[Identity, list[Pair]] = {}
    for pair in step:
        groups.setdefault(pair.kept.identity, []).append(pair)
    asked = []
    for group in groups.values():
        twins = tuple(Twin(pair.other.places, held.stamp(pair.other.info)) for pair in group)
        copy = group[0].kept
        asked.append((Kept(copy.places[0], held.stamp(copy.info), twins), group))
    return asked
