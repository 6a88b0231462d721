"""Tiers: what workflows need is brought up to a fast disk; what was not needed for longest leaves.

A copy is never the only one: what leaves is removed only while the file of the store is there as it
was when it was hashed, or has that hash now. ComfyUI finds the copy first (`doit paths`); comfyfix
itself looks at the store alone, so that a model is counted once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from msgspec.structs import replace

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import written_name
from comfyfix.disk import lease
from comfyfix.disk.files import led_into
from comfyfix.nearby.leads import Lead, Likely, Sought
from comfyfix.nearby.lending import WANTS_ROOM, Lender
from comfyfix.records import Reason, because
from comfyfix.stages.sweep import Choice
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import FileChanged, Halted
from comfyfix.state.tier import Copy, Tier, stamp
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of the store that is needed, and where its copy lies below the tier.

    `sha256` is what it is known to have to be; empty where nobody has told.
    """

    model: str
    source: Path
    path: str
    sha256: str = ""


class Did(StrEnum):
    """What has become of one file."""

    BROUGHT = "brought"
    THERE = "there"
    LEFT = "left"  # the tier, not needed for longest
    STAYS = "stays"  # where it is, for a reason


@dataclass(frozen=True, slots=True)
class Done:
    """What was done for one file; `name` is the model, or the copy where no workflow needs it."""

    did: Did
    name: str
    size: int = 0
    reason: Reason | None = None


def wanted(choices: Iterable[Choice], folders: Folders) -> list[Wanted]:
    """What of the needed files can have a copy: those of one file, where ComfyUI lists them."""
    found: dict[str, Wanted] = {}
    for choice in choices:
        key = choice.model.folder
        for directory in folders.directories(key) if key else ():
            if choice.size and choice.path.is_relative_to(directory):
                name = choice.path.relative_to(directory).as_posix()
                path = f"{written_name(key or '')}/{name}"
                each = Wanted(choice.model.key, choice.path, path, _known(choice))
                found.setdefault(path, each)
                break
    return list(found.values())


def _known(choice: Choice) -> str:
    """The sha256 that a file has to have: by the manifest, its source, or a receipt."""
    if choice.told and choice.told.digest:
        return choice.told.digest
    if choice.record and choice.record.sha256:
        return choice.record.sha256
    return choice.receipt.sha256 if choice.receipt else ""


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
    _needed: frozenset[str] = field(default=frozenset())

    def bring_up(self, needed: Sequence[Wanted]) -> Iterator[Done]:
        """Bring up what is needed, one after the other. Raises OSError."""
        self._needed = frozenset(each.path for each in needed)
        yield from self._forget_gone()
        fresh = [copy for copy in self.tier.copies.values() if copy.path in self._needed]
        if fresh:
            self.tier.keep(*(replace(copy, needed_at=self.now) for copy in fresh))
        for each in needed:
            if self.stopped():
                return
            yield from self._one(each)

    def _forget_gone(self) -> Iterator[Done]:
        """What is not there as we have made it is a copy of ours no more."""
        for copy in list(self.tier.copies.values()):
            if self._is_ours(copy):
                continue
            self.tier.forget(copy.path)
            if os.path.lexists(self.tier.root / copy.path):
                yield Done(Did.STAYS, copy.path, reason=because(Why.TIER_CHANGED))

    def _one(self, each: Wanted) -> Iterator[Done]:
        copy = self.tier.copies.get(each.path)
        try:
            info = each.source.stat()
            if copy and copy.source == str(each.source) and copy.of == stamp(info):
                yield Done(Did.THERE, each.model, copy.size)
                return
            digest = self.hash_of(each.source)
            if copy and copy.sha256 == digest:
                self.tier.keep(replace(copy, source=str(each.source), of=stamp(info)))
                yield Done(Did.THERE, each.model, copy.size)
                return
            if doubt := _doubt(each, copy, digest):
                yield Done(Did.STAYS, each.model, reason=doubt)
                return
            if copy:  # the store has another file now, and that is right
                self._remove(copy)
            yield from self._bring(each, digest, info)
        except (OSError, FileChanged, Halted) as error:
            yield Done(Did.STAYS, each.model, reason=because(Why.SYSTEM_SAYS, error=error))

    def _bring(self, each: Wanted, digest: str, info: os.stat_result) -> Iterator[Done]:
        place = self.tier.root / each.path
        if os.path.lexists(place):
            yield Done(Did.STAYS, each.model, reason=because(Why.TIER_TAKEN, path=place))
            return
        left, fits = self._make_room(info.st_size)
        yield from left
        if not fits:
            yield Done(Did.STAYS, each.model, info.st_size, because(Why.TIER_FULL))
            return
        part = self.tier.fresh / f"{os.getpid()}.part"
        reason = self._copied(each.source, part, digest, info)
        try:
            if reason is None:
                reason = self._named(part, place, each, digest, info)
        finally:
            part.unlink(missing_ok=True)
        did = Did.STAYS if reason else Did.BROUGHT
        yield Done(did, each.model, info.st_size, reason)

    def _copied(self, source: Path, part: Path, digest: str, info: os.stat_result) -> Reason | None:
        """Bring the bytes: as a clone, or by a copy that is hashed. Raises OSError."""
        lead = Lead(str(source), str(source.parent), Likely.CLAIMED, linkable=False)
        lender = Lender(Sought(digest, info.st_size), [lead], self.log, self.stopped)
        answer = lender.answer(part, "clone")
        if answer == WANTS_ROOM:
            if _is_on(self.tier.fresh, info):
                return because(Why.TIER_SAME_DISK)
            answer = lender.answer(part, "copy")
        if lender.lent is None or not answer.endswith(digest):
            return because(Why.TIER_NOT_COPIED, path=source)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        os.utime(part, ns=(info.st_atime_ns, info.st_mtime_ns))
        return None

    def _named(
        self, part: Path, place: Path, each: Wanted, digest: str, info: os.stat_result
    ) -> Reason | None:
        """Give a copy its name, where nothing has that, and in the tier. Raises OSError."""
        if led_into(place.parent, self.tier.root) is None:
            return because(Why.TIER_TAKEN, path=place)
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = Copy(
            path=each.path,
            source=str(each.source),
            sha256=digest,
            made=stamp(part.stat()),
            of=stamp(info),
            needed_at=self.now,
        )
        self.tier.keep(copy)  # first: a file that nobody has noted would stay for ever
        try:
            os.link(part, place)
        except FileExistsError:
            self.tier.forget(copy.path)
            return because(Why.TIER_TAKEN, path=place)
        except OSError:  # a filesystem without hard links
            if os.path.lexists(place):
                raise
            part.rename(place)
        return None

    def _make_room(self, size: int) -> tuple[list[Done], bool]:
        """Let what is not needed leave until a file fits, the least recently needed first.

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
        """Remove a copy, once the store has been seen to have it whole; else the reason why not."""
        source = Path(copy.source)
        if lease.holder(str(source.parent), source.name):
            return because(Why.GC_AT_WORK, path=source)
        if not self._store_has(copy):
            return because(Why.TIER_ONLY_COPY, path=source)
        self._remove(copy)
        return None

    def _store_has(self, copy: Copy) -> bool:
        source = Path(copy.source)
        with contextlib.suppress(OSError, FileChanged, Halted):
            if led_into(source, self.tier.root):  # it leads to the copy itself
                return False
            return copy.of == stamp(source.stat()) or self.hash_of(source) == copy.sha256
        return False

    def _remove(self, copy: Copy) -> None:
        """Remove a copy of ours, and nothing else. Raises OSError."""
        if self._is_ours(copy):
            (self.tier.root / copy.path).unlink()
        self.tier.forget(copy.path)

    def _is_ours(self, copy: Copy) -> bool:
        place = self.tier.root / copy.path
        try:
            return stamp(place.lstat()) == copy.made and led_into(place, self.tier.root) is not None
        except OSError:
            return False


def _doubt(each: Wanted, copy: Copy | None, digest: str) -> Reason | None:
    """Why a file of the store is not brought: it is not what it has to be, or may not be."""
    if each.sha256 and digest != each.sha256:
        return because(Why.TIER_NOT_COPIED, path=each.source)
    if copy and not each.sha256:  # was it replaced, or is it damaged?
        return because(Why.TIER_ONLY_COPY, path=each.source)
    return None


def _is_on(folder: Path, info: os.stat_result) -> bool:
    """Tell whether a file is on the disk of a folder."""
    return info.st_dev == folder.stat().st_dev
