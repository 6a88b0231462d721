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

from comfyfix.comfyui.store.together import folders_above
from comfyfix.disk.files import led_into
from comfyfix.disk.held import Refused
from comfyfix.disk.lease import lease
from comfyfix.records import Reason, because
from comfyfix.stages.store.tiers.copying import Copying, Stats, stamps_of, stats_of
from comfyfix.stages.store.tiers.needed_copies import NeededCopy
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import FileChanged, Halted
from comfyfix.state.tier import Copy, Member, Stamp, Tier, stamp
from comfyfix.why import Why


class CopyOutcome(StrEnum):
    """What has become of one file or directory."""

    BROUGHT = "brought"
    THERE = "there"
    LEFT = "left"  # the tier, not needed for longest
    STAYS = "stays"  # where it is, for a reason


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What was done for one; `name` is the model, or the copy where no workflow needs it."""

    outcome: CopyOutcome
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

    def bring_up(self, needed_copies: Sequence[NeededCopy]) -> Iterator[CopyResult]:
        """Bring up what is needed, one after the other. Raises OSError."""
        yield from self._forget_gone()
        by_path = {copy.path: copy for copy in map(self._with_its_directory, needed_copies)}
        self._needed = frozenset(by_path)
        needed_again = [copy for copy in self.tier.copies.values() if copy.path in self._needed]
        if needed_again:
            self.tier.keep(*(replace(copy, needed_at=self.now) for copy in needed_again))
        for needed in by_path.values():
            if self.stopped():
                return
            yield from self._settle(needed)

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

    def _with_its_directory(self, needed: NeededCopy) -> NeededCopy:
        """What is needed, or the directory of which it came as a part."""
        for copy in self._around(needed.path):
            if copy.is_whole and needed.source.is_relative_to(copy.source):
                return NeededCopy(needed.model, Path(copy.source), copy.path, is_whole=True)
        return needed

    def _around(self, path: str) -> Iterator[Copy]:
        return filter(None, map(self.tier.copies.get, folders_above(path)))

    def _forget_gone(self) -> Iterator[CopyResult]:
        """What is not there as we have made it is a copy of ours no more."""
        for copy in list(self.tier.copies.values()):
            if self._copying.is_ours(copy):
                continue
            self.tier.forget(copy.path)
            place = self.tier.root / copy.path
            if os.path.lexists(place):
                reason = because(Why.TIER_CHANGED, path=place)
                yield CopyResult(CopyOutcome.STAYS, copy.path, reason=reason)

    def _settle(self, needed: NeededCopy) -> Iterator[CopyResult]:
        try:
            yield from self._brought(needed)
            return
        except Halted:
            return
        except Refused as refused:
            reason = refused.reason
        except FileChanged:
            reason = because(Why.TIER_CHANGES, path=needed.source)
        except OSError as error:
            reason = because(Why.SYSTEM_SAYS, error=error)
        yield CopyResult(CopyOutcome.STAYS, needed.model, reason=reason)

    def _brought(self, needed: NeededCopy) -> Iterator[CopyResult]:
        if needed.reason:
            raise Refused(needed.reason)
        copy = self.tier.copies.get(needed.path)
        source, stats = str(needed.source), stats_of(needed)
        if copy and copy.source == source and stamps_of(stats) == _source_stamps(copy):
            yield CopyResult(CopyOutcome.THERE, needed.model, copy.size)
            return
        hashes = {path: self.hash_of(needed.source / path) for path in stats}
        if copy and hashes == {member.path: member.sha256 for member in copy.files}:
            files = tuple(replace(m, of=stamp(stats[m.path])) for m in copy.files)
            self.tier.keep(replace(copy, source=source, files=files))
            yield CopyResult(CopyOutcome.THERE, needed.model, copy.size)
            return
        _require_right(needed, copy, hashes, self.tier.root / needed.path)
        if copy:  # the store has another file now, and that is right
            self._copying.remove(copy)
        yield from self._copied(needed, stats, hashes)

    def _copied(
        self, needed: NeededCopy, stats: Stats, hashes: Mapping[str, str]
    ) -> Iterator[CopyResult]:
        place, size = self.tier.root / needed.path, sum(info.st_size for info in stats.values())
        for copy in list(self.tier.copies.values()):
            # A file of it that came alone, before anything needed the whole directory.
            if copy.path.startswith(f"{needed.path}/") and (reason := self._leave(copy)):
                raise Refused(reason)
        if os.path.lexists(place) or any(copy.is_whole for copy in self._around(needed.path)):
            raise Refused(because(Why.TIER_TAKEN, path=place))
        if self.limit is not None and size > self.limit:
            raise Refused(because(Why.TIER_SMALL, size=size, limit=self.limit))
        left, fits = self._make_room(size)
        yield from left
        if not fits:
            reason = because(Why.TIER_FULL, path=needed.source)
            yield CopyResult(CopyOutcome.STAYS, needed.model, size, reason)
            return
        self._copying.bring(needed, stats, hashes, self.now)
        yield CopyResult(CopyOutcome.BROUGHT, needed.model, size)

    def _make_room(self, size: int) -> tuple[list[CopyResult], bool]:
        """Let what is not needed leave until so much fits, the least recently needed first.

        Nothing leaves where that would not be enough.
        """
        others = [c for c in self.tier.copies.values() if c.path not in self._needed]
        others.sort(key=lambda copy: (copy.needed_at, copy.path))
        if self._lacks(size) > sum(copy.size for copy in others):
            return [], False
        results = []
        for copy in others:
            if self._lacks(size) <= 0:
                break
            reason = self._leave(copy)
            outcome = CopyOutcome.STAYS if reason else CopyOutcome.LEFT
            results.append(CopyResult(outcome, copy.path, copy.size, reason))
        return results, self._lacks(size) <= 0

    def _lacks(self, size: int) -> int:
        """How many bytes have to go before so many fit."""
        free = shutil.disk_usage(self.tier.root).free
        lacks = size + self.reserve - free
        if self.limit is None:
            return lacks
        used = sum(copy.size for copy in self.tier.copies.values())
        return max(lacks, used + size - self.limit)

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


def _source_stamps(copy: Copy) -> dict[str, Stamp]:
    return {member.path: member.of for member in copy.files}


def _require_right(
    needed: NeededCopy, copy: Copy | None, hashes: Mapping[str, str], place: Path
) -> None:
    """Refuse files of the store that are not what they have to be, or may not be."""
    for path, digest in hashes.items():
        if needed.hashes.get(path, digest) != digest:
            raise Refused(because(Why.TIER_NOT_COPIED, path=needed.source / path))
    for member in copy.files if copy else ():  # was it replaced, or is it damaged?
        is_told = member.path in hashes and member.path in needed.hashes
        if hashes.get(member.path) != member.sha256 and not is_told:
            source = needed.source / member.path
            raise Refused(because(Why.TIER_ONLY_COPY, path=source, copy=place))


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
