"""The work on one tier: what is needed comes up, and room is made for it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from msgspec.structs import replace

from comfyfix.disk import lease
from comfyfix.disk.files import led_into
from comfyfix.disk.held import Refused
from comfyfix.records import Reason, because
from comfyfix.stages.store.tiers.copying import Copying, Found, found_of
from comfyfix.stages.store.tiers.wanted import Wanted
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import FileChanged, Halted
from comfyfix.state.tier import Copy, Member, Tier, stamp
from comfyfix.why import Why


class Did(StrEnum):
    """What has become of one file or directory."""

    BROUGHT = "brought"
    THERE = "there"
    LEFT = "left"  # the tier, not needed for longest
    STAYS = "stays"  # where it is, for a reason


@dataclass(frozen=True, slots=True)
class Done:
    """What was done for one; `name` is the model, or the copy where no workflow needs it."""

    did: Did
    name: str
    size: int = 0
    reason: Reason | None = None


@dataclass(slots=True)
class Raising:
    """The work on one tier: `limit` in bytes (None: as the disk is), `reserve` is left free.

    `hash_of` tells the sha256 of a file of the store; `stopped` that all is to end.
    """

    tier: Tier
    limit: int | None
    reserve: int
    hash_of: Callable[[Path], str]
    log: HashLog
    now: float
    stopped: Callable[[], bool] = bool
    _copying: Copying = field(init=False)
    _needed: frozenset[str] = field(default=frozenset())

    def __post_init__(self) -> None:
        self._copying = Copying(self.tier, self.log, self.stopped)

    def bring_up(self, every: Sequence[Wanted]) -> Iterator[Done]:
        """Bring up what is needed, one after the other. Raises OSError."""
        yield from self._forget_gone()
        needed = {each.path: each for each in map(self._with_its_directory, every)}
        self._needed = frozenset(needed)
        fresh = [copy for copy in self.tier.copies.values() if copy.path in self._needed]
        if fresh:
            self.tier.keep(*(replace(copy, needed_at=self.now) for copy in fresh))
        for each in needed.values():
            if self.stopped():
                return
            yield from self._one(each)

    def let_go(self, sources: Iterable[Path]) -> Reason | None:
        """Remove the copies of what is about to leave its place in the store; or say why not.

        Raises OSError.
        """
        for copy in self.copies_of(sources):
            if not self._copying.is_ours(copy):
                if os.path.lexists(self.tier.root / copy.path):
                    return because(Why.TIER_CHANGED, path=self.tier.root / copy.path)
                self.tier.forget(copy.path)
            elif reason := self._leave(copy):
                return reason
        return None

    def copies_of(self, sources: Iterable[Path]) -> list[Copy]:
        """The copies of files or directories, or of what is in them, or of what they are in."""
        places = [os.path.realpath(source) for source in sources]
        return [
            copy
            for copy in self.tier.copies.values()
            if any(_overlap(os.path.realpath(copy.source), place) for place in places)
        ]

    def _with_its_directory(self, each: Wanted) -> Wanted:
        """What is needed, or the directory of which it came as a part."""
        for copy in self._around(each.path):
            if copy.is_whole and each.source.is_relative_to(copy.source):
                return Wanted(each.model, Path(copy.source), copy.path, is_whole=True)
        return each

    def _around(self, path: str) -> Iterator[Copy]:
        while path := path.rpartition("/")[0]:
            if copy := self.tier.copies.get(path):
                yield copy

    def _forget_gone(self) -> Iterator[Done]:
        """What is not there as we have made it is a copy of ours no more."""
        for copy in list(self.tier.copies.values()):
            if self._copying.is_ours(copy):
                continue
            self.tier.forget(copy.path)
            place = self.tier.root / copy.path
            if os.path.lexists(place):
                reason = because(Why.TIER_CHANGED, path=place)
                yield Done(Did.STAYS, copy.path, reason=reason)

    def _one(self, each: Wanted) -> Iterator[Done]:
        try:
            yield from self._raised(each)
        except Refused as refused:
            yield Done(Did.STAYS, each.model, reason=refused.reason)
        except FileChanged:
            reason = because(Why.TIER_CHANGES, path=each.source)
            yield Done(Did.STAYS, each.model, reason=reason)
        except Halted:
            return
        except OSError as error:
            yield Done(Did.STAYS, each.model, reason=because(Why.SYSTEM_SAYS, error=error))

    def _raised(self, each: Wanted) -> Iterator[Done]:
        if each.reason:
            raise Refused(each.reason)
        copy = self.tier.copies.get(each.path)
        found = found_of(each)
        if copy and copy.source == str(each.source) and _stamps(found) == _of(copy):
            yield Done(Did.THERE, each.model, copy.size)
            return
        hashes = {path: self.hash_of(each.source / path) for path in found}
        if copy and hashes == {member.path: member.sha256 for member in copy.files}:
            files = tuple(replace(m, of=stamp(found[m.path])) for m in copy.files)
            self.tier.keep(replace(copy, source=str(each.source), files=files))
            yield Done(Did.THERE, each.model, copy.size)
            return
        _require_right(each, copy, hashes, self.tier.root / each.path)
        if copy:  # the store has another file now, and that is right
            self._copying.remove(copy)
        yield from self._bring(each, found, hashes)

    def _bring(self, each: Wanted, found: Found, hashes: Mapping[str, str]) -> Iterator[Done]:
        place, size = self.tier.root / each.path, sum(info.st_size for info in found.values())
        for copy in list(self.tier.copies.values()):
            # A file of it that came alone, before anything needed the whole directory.
            if copy.path.startswith(f"{each.path}/") and (reason := self._leave(copy)):
                raise Refused(reason)
        if os.path.lexists(place) or any(copy.is_whole for copy in self._around(each.path)):
            raise Refused(because(Why.TIER_TAKEN, path=place))
        if self.limit is not None and size > self.limit:
            raise Refused(because(Why.TIER_SMALL, size=size, limit=self.limit))
        left, fits = self._make_room(size)
        yield from left
        if not fits:
            yield Done(Did.STAYS, each.model, size, because(Why.TIER_FULL, path=each.source))
            return
        self._copying.bring(each, found, hashes, self.now)
        yield Done(Did.BROUGHT, each.model, size)

    def _make_room(self, size: int) -> tuple[list[Done], bool]:
        """Let what is not needed leave until so much fits, the least recently needed first.

        Nothing leaves where that would not be enough.
        """
        others = [c for c in self.tier.copies.values() if c.path not in self._needed]
        others.sort(key=lambda copy: (copy.needed_at, copy.path))
        if self._lacks(size) > sum(copy.size for copy in others):
            return [], False
        done = []
        for copy in others:
            if self._lacks(size) <= 0:
                break
            reason = self._leave(copy)
            did = Did.STAYS if reason else Did.LEFT
            done.append(Done(did, copy.path, copy.size, reason))
        return done, self._lacks(size) <= 0

    def _lacks(self, size: int) -> int:
        """How many bytes have to go before so many fit."""
        free = shutil.disk_usage(self.tier.root).free
        lacks = size + self.reserve - free
        if self.limit is None:
            return lacks
        held = sum(copy.size for copy in self.tier.copies.values())
        return max(lacks, held + size - self.limit)

    def _leave(self, copy: Copy) -> Reason | None:
        """Remove a copy, once the store has been seen to have all of it; else say why not."""
        for member in copy.files:
            source = copy.source_of(member)
            if lease.holder(str(source.parent), source.name):
                return because(Why.GC_AT_WORK, path=source)
            if not self._store_has(source, member):
                return because(Why.TIER_ONLY_COPY, path=source, copy=self.tier.root / copy.path)
        self._copying.remove(copy)
        return None

    def _store_has(self, source: Path, member: Member) -> bool:
        with contextlib.suppress(OSError, FileChanged, Halted):
            if led_into(source, self.tier.root):  # it leads to the copy itself
                return False
            return member.of == stamp(source.stat()) or self.hash_of(source) == member.sha256
        return False


def _stamps(found: Found) -> dict[str, tuple[int, ...]]:
    return {path: stamp(info) for path, info in found.items()}


def _of(copy: Copy) -> dict[str, tuple[int, ...]]:
    return {member.path: member.of for member in copy.files}


def _require_right(each: Wanted, copy: Copy | None, hashes: Mapping[str, str], place: Path) -> None:
    """Refuse files of the store that are not what they have to be, or may not be."""
    for path, digest in hashes.items():
        if each.hashes.get(path, digest) != digest:
            raise Refused(because(Why.TIER_NOT_COPIED, path=each.source / path))
    if copy is None:
        return
    for member in copy.files:  # was it replaced, or is it damaged?
        told = member.path in hashes and member.path in each.hashes
        if hashes.get(member.path) != member.sha256 and not told:
            source = each.source / member.path
            raise Refused(because(Why.TIER_ONLY_COPY, path=source, copy=place))


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
