"""What a killed process has left of equal files that were being made one: finished, or undone."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from comfyfix.disk import folders, held, swap
from comfyfix.disk.folders import stat_of
from comfyfix.disk.held import Digest, File, Refused
from comfyfix.disk.lease import lease
from comfyfix.disk.twins.twins import Changed, Renew
from comfyfix.records import Reason, because
from comfyfix.why import Why

_BESIDE = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.same", re.DOTALL)


def left_over(store: Path) -> Iterator[str]:
    """The places of links that a killed process has left below a store."""
    root = os.path.realpath(store)
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            if name.endswith(".same") and _BESIDE.fullmatch(name):
                yield f"{folder}/{name}".removeprefix(f"{root}/")


def settle(store: int, place: str, digest: Digest, renew: Renew) -> Reason | None:
    """Finish or undo what was begun with one place; tells why that can't be. Raises OSError."""
    *above, beside = place.split("/")
    match = _BESIDE.fullmatch(beside)
    if match is None:
        return None
    name = match["name"]
    own = "/".join((*above, name))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(folders.opened(store, above))
        was, now = stat_of(folder, beside), stat_of(folder, name)
        if was is None or not stat.S_ISREG(was.st_mode):
            return None
        if now is None:
            if not stack.enter_context(lease.held(folder, name)):
                return because(Why.GC_AT_WORK, path=own)
            swap.move(folder, beside, folder, name)
            return None
        try:
            one = held.opened(stack, store, (own,), held.stamp(now))
            if not os.path.samestat(was, now):
                return _settled(stack, folder, beside, one, digest, renew)
        except Refused as refused:
            return refused.reason
        os.unlink(beside, dir_fd=folder)  # it had not changed places yet
        renew([Changed(held.sha256_of(one, digest), os.fstat(one.handle))])
    return None


def _settled(
    stack: contextlib.ExitStack, folder: int, beside: str, one: File, digest: Digest, renew: Renew
) -> Reason | None:
    """The two have changed places: what it was goes if it is equal, else it gets its place back."""
    name = one.names[0][1]
    handle = os.open(beside, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    stack.callback(os.close, handle)
    if held.attributes(handle) != held.attributes(one.handle):
        return because(Why.DEDUPE_LEFT_OVER, path=beside)  # none that we can have made
    known, was = held.sha256_of(one, digest), digest(handle)
    if was == known:
        os.fsync(one.handle)
        if reason := one.change():
            return reason
        renew([Changed(known, os.fstat(one.handle))])
        os.unlink(beside, dir_fd=folder)
        return None
    if os.fstat(one.handle).st_nlink == 1:  # it is no link of ours: another has put it there
        return because(Why.DEDUPE_LEFT_OVER, path=beside)
    swap.exchange(folder, beside, folder, name)
    if was is not None:
        renew([Changed(was, os.fstat(handle))])
    os.unlink(beside, dir_fd=folder)
    return None
