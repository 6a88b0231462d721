"""How a copy comes to lie in the tier, in one step, and how it leaves."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from comfyfix.disk import swap
from comfyfix.disk.files import led_into
from comfyfix.disk.folder_files import files_below
from comfyfix.disk.held import Refused
from comfyfix.nearby.leads import Lead, Likely, Sought
from comfyfix.nearby.lending import WANTS_ROOM, Lender
from comfyfix.records import because
from comfyfix.stages.store.tiers.needed_copies import NeededCopy
from comfyfix.state import tier as tiers
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import FileChanged, Halted
from comfyfix.state.tier import Copy, Member, Stamp, Tier, stamp
from comfyfix.why import Why

Stats = Mapping[str, os.stat_result]
"""The files of what is needed, by their paths in it; the empty one for a file itself."""


def stats_of(needed: NeededCopy) -> Stats:
    """The files that are to come. Raises OSError, Refused."""
    if not needed.is_whole:
        return {"": needed.source.stat()}
    stats = files_below(needed.source)
    if not stats:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(needed.source))
    return stats


def stamps_of(stats: Stats) -> dict[str, Stamp]:
    """What tells whether files are as they were."""
    return {path: stamp(info) for path, info in stats.items()}


@dataclass(slots=True)
class Copying:
    """Brings copies into one tier, and takes them out. `stopped` tells that all is to end."""

    tier: Tier
    log: HashLog
    stopped: Callable[[], bool]

    def bring(
        self, needed: NeededCopy, stats: Stats, hashes: Mapping[str, str], now: float
    ) -> None:
        """Copy it, and give it its name. Raises Refused, OSError, FileChanged, Halted."""
        fresh = self.tier.fresh()
        members = []
        try:
            for path, info in sorted(stats.items()):
                part = fresh / path
                part.parent.mkdir(parents=True, exist_ok=True)
                self._copy(needed.source / path, part, hashes[path], info)
                made = stamp(part.stat())
                members.append(Member(path=path, sha256=hashes[path], made=made, of=stamp(info)))
            if stamps_of(stats_of(needed)) != stamps_of(stats):
                raise FileChanged(errno.ESTALE, os.strerror(errno.ESTALE), str(needed.source))
            copy = Copy(
                path=needed.path, source=str(needed.source), files=tuple(members), needed_at=now
            )
            self._put_in_place(fresh, copy)
        finally:
            tiers.remove(fresh)
        for member in members:  # who verifies it need not read it once more
            copied = self.tier.root / needed.path / member.path
            with contextlib.suppress(OSError):
                self.log.keep(str(copied), copied.stat(), member.sha256)

    def _copy(self, source: Path, part: Path, digest: str, info: os.stat_result) -> None:
        """Bring the bytes of a file: as a clone, or by a copy that is hashed."""
        if info.st_size == 0:
            part.touch(exist_ok=False)
            return
        lead = Lead(str(source), str(source.parent), Likely.CLAIMED, linkable=False)
        lender = Lender(Sought(digest, info.st_size), [lead], self.log, self.stopped)
        answer = lender.answer(part, "clone")
        if answer == WANTS_ROOM:
            if is_on(part.parent, info):
                raise Refused(because(Why.TIER_SAME_DISK))
            answer = lender.answer(part, "copy")
        if lender.lent is None or not answer.endswith(digest):
            if self.stopped():
                raise Halted
            self.tier.require_there()
            full = shutil.disk_usage(self.tier.root).free < info.st_size
            why = Why.TIER_FULL if full else Why.TIER_NOT_COPIED
            raise Refused(because(why, path=source))
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        os.utime(part, ns=(info.st_atime_ns, info.st_mtime_ns))

    def _put_in_place(self, fresh: Path, copy: Copy) -> None:
        """Give a copy its name in one step, where nothing has that, and in the tier."""
        place = self.tier.root / copy.path
        taken = Refused(because(Why.TIER_TAKEN, path=place))
        if led_into(place.parent, self.tier.root) is None:
            raise taken
        self.tier.keep(copy)  # first: a file that nobody has noted would stay for ever
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            swap.move_path(fresh, place)
        except OSError as error:
            self.tier.forget(copy.path)
            self._prune(place)
            if isinstance(error, FileExistsError):
                raise taken from None
            raise

    def remove(self, copy: Copy) -> None:
        """Remove a copy of ours, and nothing else: a directory in one step. Raises OSError."""
        place = self.tier.root / copy.path
        if self.is_ours(copy):
            if copy.is_whole:
                gone = self.tier.fresh()
                swap.move_path(place, gone)
                shutil.rmtree(gone)
            else:
                place.unlink()
            self._prune(place)
        self.tier.forget(copy.path)

    def is_ours(self, copy: Copy) -> bool:
        """Tell whether a copy is there as we have made it, with nothing beside it."""
        place = self.tier.root / copy.path
        try:
            if led_into(place, self.tier.root) is None or place.is_symlink():
                return False
            stats = files_below(place, exactly=True) if copy.is_whole else {"": place.lstat()}
        except (OSError, Refused):
            return False
        return stamps_of(stats) == {member.path: member.made for member in copy.files}

    def _prune(self, place: Path) -> None:
        """Remove the folders that a copy has left empty: nobody may take one for a model."""
        for folder in place.relative_to(self.tier.root).parents:
            if len(folder.parts) > 1:  # that of a key is what ComfyUI was told of
                with contextlib.suppress(OSError):
                    (self.tier.root / folder).rmdir()


def is_on(folder: Path, info: os.stat_result) -> bool:
    """Tell whether a file is on the disk of a folder."""
    return info.st_dev == folder.stat().st_dev
