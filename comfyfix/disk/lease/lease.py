"""The lease of a model's file: what download scripts hold while they are at work on it.

It is a link `.NAME.lock` beside the file that leads to its owner (`owner.py`): made in one step and
read in one step. See `templates/script/lease.sh`; who holds it is left alone. A large file's owner
has notes beside it, `.NAME.OWNER.work`: who it is, and its signs of life.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from comfyfix.disk import regular
from comfyfix.disk.lease.owner import PATTERN, is_dead, me

_OWNER = re.compile(PATTERN)
_WORDS = re.compile(r"[A-Za-z0-9._@ -]{1,64}")
_NOTE_BYTES = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease: its `owner`, the newest `sign` of its life, and who it says that it is."""

    owner: str
    sign: str
    who: str


def holder(folder: str, name: str) -> Holder | None:
    """Who holds the lease of a file; None where nobody does, who has died, or what is no lease.

    Whether one of another machine lives only its signs can tell, as they come.
    """
    try:
        owner = os.readlink(f"{folder}/.{name}.lock")
    except OSError:
        return None
    if not _OWNER.fullmatch(owner) or is_dead(owner):
        return None
    notes = f"{folder}/.{name}.{owner}.work"
    who = _note(f"{notes}/who")
    return Holder(owner, _note(f"{notes}/beat"), who if _WORDS.fullmatch(who) else owner)


def _note(path: str) -> str:
    """A line that another process has left. It may be anything by now."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with regular.opened(path) as stream:
            said = stream.read(_NOTE_BYTES)
    except OSError:
        return ""
    return said.partition(b"\n")[0].decode("ascii", "replace")


@contextlib.contextmanager
def held(folder: int, name: str) -> Iterator[bool]:
    """Hold the lease of a file in an open folder; False where another has it, or none can be had.

    One that a process of this machine has left when it died is taken over.
    """
    lock = f".{name}.lock"
    taken = _take(folder, lock)
    try:
        yield taken
    finally:
        if taken:
            with contextlib.suppress(OSError):
                if os.readlink(lock, dir_fd=folder) == me():
                    os.unlink(lock, dir_fd=folder)


def is_held(folder: int, name: str) -> bool:
    """Tell whether the lease of a file is this process's own still: nobody has broken it."""
    try:
        return os.readlink(f".{name}.lock", dir_fd=folder) == me()
    except OSError:
        return False


def _take(folder: int, lock: str) -> bool:
    for _ in range(2):
        with contextlib.suppress(OSError):
            os.symlink(me(), lock, dir_fd=folder)
            return True
        try:
            owner = os.readlink(lock, dir_fd=folder)
        except OSError:  # somebody's file, or a filesystem without such links
            return False
        if not is_dead(owner):
            return False
        _break(folder, lock, owner)
    return False


def _break(folder: int, lock: str, owner: str) -> None:
    """Of several that find the lock dead one renames it; one that is not the dead one goes back."""
    aside = f"{lock}.{me()}"
    with contextlib.suppress(OSError):
        os.rename(lock, aside, src_dir_fd=folder, dst_dir_fd=folder)
        taken = os.readlink(aside, dir_fd=folder)
        if taken != owner:
            with contextlib.suppress(OSError):
                os.symlink(taken, lock, dir_fd=folder)
        os.unlink(aside, dir_fd=folder)
