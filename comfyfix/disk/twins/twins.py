"""Equal files made one: further names of one file take the places of the others.

A place goes over in one step: a link of the kept file is made beside it, `.NAME.RANDOM.same`, and
the two names change places. So at every moment a file of the right content has the name, and what
it was is there until its link is removed. Nothing but these names says what was begun: whoever
comes next looks at both files, and finishes it where they are equal, or undoes it
(`unfinished.py`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from comfyfix.disk import held, swap
from comfyfix.disk.folders import stat_of
from comfyfix.disk.held import Digest, File, Refused
from comfyfix.disk.twins import blocks
from comfyfix.records import Reason, because
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Twin:
    """A file that is to give way: all its places below the store, and its stamp when chosen."""

    places: tuple[str, ...]
    stamp: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that stays, by one of its places, and those that are to become names of it."""

    place: str
    stamp: tuple[int, ...]
    twins: tuple[Twin, ...]


class Changed(NamedTuple):
    """A file whose links have changed: its sha256, as it is now, the places that it has got."""

    sha256: str
    info: os.stat_result
    places: Sequence[str] = ()


Renew = Callable[[Sequence[Changed]], object]
"""Told of files before what they were is gone for good: what is noted of them is to be renewed."""


@dataclass(slots=True)
class _Swap:
    """One place: its folder, its name, the link beside it; `done`: they have changed places."""

    folder: int
    name: str
    beside: str
    done: bool = False


@dataclass(slots=True)
class _Work:
    """A twin under way."""

    twin: Twin
    file: File | None = None
    reason: Reason | None = None
    swaps: list[_Swap] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """A kept file and its twins under way; `one` is None where it can't be had."""

    works: list[_Work]
    one: File | None = None
    sha256: str = ""

    def refuse(self, reason: Reason) -> None:
        for work in self.works:
            work.reason = work.reason or reason

    @property
    def places(self) -> list[str]:
        """What has become a name of the kept file."""
        return [place for work in self.works if not work.reason for place in work.twin.places]


def join(
    store: int, every: Sequence[Kept], digest: Digest, renew: Renew
) -> list[list[Reason | None]]:
    """Let the places of twins become names of the files that are kept; tells of each why not.

    All are hashed under their leases, which are held until the end. Raises OSError.
    """
    with contextlib.ExitStack() as stack:
        groups = [_begun(stack, store, kept, digest) for kept in every]
        for group in groups:
            _look_once_more(group)
        renew([Changed(g.sha256, os.fstat(g.one.handle), g.places) for g in groups if g.one])
        for group in groups:
            _finish(group)
    return [[work.reason for work in group.works] for group in groups]


def _begun(stack: contextlib.ExitStack, store: int, kept: Kept, digest: Digest) -> _Group:
    group = _Group([_Work(twin) for twin in kept.twins])
    try:
        one = held.opened(stack, store, (kept.place,), kept.stamp)
        group.one, group.sha256 = one, held.sha256_of(one, digest)
    except (Refused, OSError) as error:
        group.one = None
        group.refuse(held.reason_of(error))
    for work in group.works if group.one else ():
        try:
            work.file = held.opened(stack, store, work.twin.places, work.twin.stamp)
            _require_equal(one, work.file, group.sha256, digest)
            _put(one, work.file, work)
        except (Refused, OSError) as error:
            work.reason = held.reason_of(error)
    return group


def _look_once_more(group: _Group) -> None:
    """See that the bytes which stay are on the disk, and undo what has changed meanwhile."""
    if group.one is None:
        return
    try:
        os.fsync(group.one.handle)
    except OSError as error:
        group.refuse(held.reason_of(error))
    for work in group.works:
        work.reason = work.reason or group.one.change()
        if work.file:
            work.reason = work.reason or work.file.change()
        if work.reason:
            _undo(group, work)


def _require_equal(one: File, other: File, known: str, digest: Digest) -> None:
    if held.sha256_of(other, digest) != known:
        raise Refused(because(Why.DEDUPE_DIFFERS))
    if held.attributes(one.handle) != held.attributes(other.handle):
        raise Refused(because(Why.DEDUPE_ATTRIBUTES))
    if os.fstat(other.handle).st_nlink != len(other.names):
        raise Refused(because(Why.GC_OTHER_NAMES))


def _put(one: File, other: File, work: _Work) -> None:
    """Put names of the kept file into all places of another; undone where one can't be."""
    folder_of_one, name_of_one = one.names[0]
    for folder, name in other.names:
        beside = f".{name}.{secrets.token_hex(4)}.same"
        os.link(
            name_of_one, beside, src_dir_fd=folder_of_one, dst_dir_fd=folder, follow_symlinks=False
        )
        step = _Swap(folder, name, beside)
        work.swaps.append(step)
        if not _is(stat_of(folder, beside), one.info):
            raise Refused(because(Why.GC_CHANGED, path=name_of_one))
        if reason := one.change() or other.change():
            raise Refused(reason)
        swap.exchange(folder, beside, folder, name)
        step.done = True
        if not _is(stat_of(folder, beside), other.info):
            raise Refused(because(Why.GC_CHANGED, path=name))


def _is(found: os.stat_result | None, info: os.stat_result) -> bool:
    return found is not None and held.stamp(found) == held.stamp(info)


def _finish(group: _Group) -> None:
    """Let what twins were go, unless somebody has come to write to it by now."""
    for work in group.works:
        if work.file is None or work.reason:
            continue
        work.reason = work.file.change()
        if work.reason:
            _undo(group, work)
            continue
        for step in work.swaps:
            if _is(stat_of(step.folder, step.beside), work.file.info):
                os.unlink(step.beside, dir_fd=step.folder)


def _undo(group: _Group, work: _Work) -> None:
    """Give a twin its places again; what another has put there meanwhile stays there."""
    for step in work.swaps:
        if step.done:
            swap.exchange(step.folder, step.beside, step.folder, step.name)
        if group.one and _is(stat_of(step.folder, step.beside), group.one.info):
            os.unlink(step.beside, dir_fd=step.folder)
        elif step.done:
            swap.exchange(step.folder, step.beside, step.folder, step.name)


def clone(store: int, kept: Kept) -> list[Reason | None]:
    """Let twins have the blocks of the file that is kept, and stay files of their own.

    The kernel compares the two while nobody can write to them; what is done stays done.
    """
    reasons: list[Reason | None] = []
    for twin in kept.twins:
        with contextlib.ExitStack() as stack:
            try:
                one = held.opened(stack, store, (kept.place,), kept.stamp)
                other = held.opened(stack, store, twin.places[:1], twin.stamp)
                blocks.share(one.handle, other.handle, one.info.st_size)
            except blocks.Differs:
                reasons.append(because(Why.DEDUPE_DIFFERS))
            except (Refused, OSError) as error:
                reasons.append(held.reason_of(error))
            else:
                reasons.append(None)
    return reasons
