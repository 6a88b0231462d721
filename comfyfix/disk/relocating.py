"""A model gets another place in its store: in one step, over nothing, while nobody is at it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from comfyfix.disk import folders, held, swap, writers
from comfyfix.disk.folders import stat_of
from comfyfix.disk.held import Refused
from comfyfix.disk.lease import lease
from comfyfix.records import Reason, because
from comfyfix.why import Why

_CANT = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
_FILES_MAX = 10_000
_WORK = re.compile(r"\..+\.(lock|work)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """A file or a directory: its place below the store, its new one, its stamp when chosen."""

    place: str
    target: str
    stamp: tuple[int, ...]


def relocate(store: int, step: Step, moved: Callable[[], object]) -> Reason | None:
    """Move it, or tell why not. `moved` is called under the leases of both. Raises OSError."""
    *above, name = step.place.split("/")
    *above_target, target = step.target.split("/")
    with contextlib.ExitStack() as stack:
        try:
            there = stack.enter_context(folders.opened(store, above))
            if _is_directory(stat_of(there, name)):
                _hold_all(stack, store, step)
            else:
                held.opened(stack, store, (step.place,), step.stamp)
            folder = stack.enter_context(folders.opened(store, above_target, make=True))
            if not stack.enter_context(lease.held(folder, target)):
                raise Refused(because(Why.GC_AT_WORK, path=step.target))
            _move(there, name, folder, target)
            if not _is(stat_of(folder, target), step.stamp):
                _move(folder, target, there, name)
                raise Refused(because(Why.GC_CHANGED, path=step.place))
        except FileExistsError:
            return because(Why.GC_PLACE_TAKEN, path=step.target)
        except (Refused, OSError) as error:
            return held.reason_of(error)
        moved()
    return None


def stamp_of(path: str) -> tuple[int, ...]:
    """The stamp of a file or a directory, no link followed; of a directory which one it is."""
    info = os.lstat(path)
    return held.stamp(info) if stat.S_ISREG(info.st_mode) else (info.st_dev, info.st_ino)


def _is_directory(info: os.stat_result | None) -> bool:
    return info is not None and stat.S_ISDIR(info.st_mode)


def _is(info: os.stat_result | None, expected: tuple[int, ...]) -> bool:
    return info is not None and held.stamp(info)[: len(expected)] == expected


def _hold_all(stack: contextlib.ExitStack, store: int, step: Step) -> None:
    """Hold the leases of a directory and all its files, none of which is open for writing."""
    *above, name = step.place.split("/")
    folder = stack.enter_context(folders.opened(store, above))
    if not _is(stat_of(folder, name), step.stamp):
        raise Refused(because(Why.GC_CHANGED, path=step.place))
    if not stack.enter_context(lease.held(folder, name)):
        raise Refused(because(Why.GC_AT_WORK, path=step.place))
    root = stack.enter_context(folders.opened(folder, [name]))
    for place in _files_below(root):
        *inside, last = place.split("/")
        with folders.opened(root, inside) as below:
            handle = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=below)
            try:
                with writers.kept_from(handle) as found:
                    if found == "written":
                        raise Refused(because(Why.DEDUPE_WRITTEN, path=f"{step.place}/{place}"))
            finally:
                os.close(handle)
            if any(_WORK.fullmatch(entry) for entry in os.listdir(below)):
                raise Refused(because(Why.GC_AT_WORK, path=f"{step.place}/{place}"))


def _files_below(root: int) -> Sequence[str]:
    found: list[str] = []
    for place, _, names, folder in os.fwalk(".", dir_fd=root):
        for name in names:
            info = stat_of(folder, name)
            if info is not None and stat.S_ISREG(info.st_mode):
                found.append(f"{place}/{name}".removeprefix("./"))
        if len(found) > _FILES_MAX:
            raise Refused(because(Why.GC_OF_A_DIRECTORY))
    return found


def _move(folder: int, name: str, other: int, target: str) -> None:
    try:
        swap.move(folder, name, other, target)
    except OSError as error:
        if error.errno not in _CANT or _is_directory(stat_of(folder, name)):
            raise
        # A link first: unlike a plain rename it never replaces what has come a moment ago.
        os.link(name, target, src_dir_fd=folder, dst_dir_fd=other, follow_symlinks=False)
        os.unlink(name, dir_fd=folder)
