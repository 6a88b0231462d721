"""What lies in the fast tier by our doing: `FAST/.comfyfix/tier.json`.

It says of each copy which file or directory of the store it is one of. What the folder holds
besides is somebody's: it is neither counted nor touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix.disk import json_file, swap
from comfyfix.disk.files import write_atomic
from comfyfix.records import to_json

OWN = ".comfyfix"
"""The folder of the tier in which nothing of ComfyUI's looks."""
LOCK_SECONDS = 2.0
_HASH = re.compile(r"[0-9a-f]{64}")
Stamp = tuple[int, int, int, int]
"""Device, inode, size and time of a file: while these hold, so do its bytes."""


def stamp(info: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


class Busy(OSError):
    """Another run is at work on the tier."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a copy, at `path` below it; empty where the copy is a file itself.

    `made` is its stamp, `of` that of its source when that was hashed.
    """

    path: str
    sha256: str
    made: Stamp
    of: Stamp

    @property
    def is_fit(self) -> bool:
        """Tell whether it can be one of ours, and leads nowhere else."""
        return (not self.path or _is_inside(self.path)) and bool(_HASH.fullmatch(self.sha256))


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy, at `path` below the tier: a file, or a directory that is there whole or not at all.

    `needed_at` is when a workflow last needed it, in seconds of the system's clock.
    """

    path: str
    source: str
    files: tuple[Member, ...]
    needed_at: float

    @property
    def is_whole(self) -> bool:
        """True for a directory."""
        return self.files[0].path != ""

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(member.made[2] for member in self.files)

    @property
    def is_fit(self) -> bool:
        """Tell whether it can be one of ours: nothing that somebody wrote here leads elsewhere."""
        names = {member.path for member in self.files}
        one_kind = names == {""} or (names and "" not in names)
        sound = _is_inside(self.path) and os.path.isabs(self.source) and "\0" not in self.source
        fit = all(member.is_fit for member in self.files)
        return bool(one_kind) and sound and fit and len(names) == len(self.files)

    def source_of(self, member: Member) -> Path:
        """Where a file of it has come from."""
        return Path(self.source, member.path)


def _is_inside(path: str) -> bool:
    plain = os.path.normpath(f"/{path}") == f"/{path}" and "\0" not in path
    return plain and not path.startswith(".")


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    copies: tuple[Copy, ...] = ()


class Tier:
    """The copies of a fast tier; held, this process alone changes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._own = root / OWN
        self._file = self._own / "tier.json"
        self._fresh = self._own / "new"
        self._is: tuple[int, int] | None = None
        self._count = 0
        self.copies: dict[str, Copy] = {}

    @contextlib.contextmanager
    def held(self) -> Iterator[Tier]:
        """Hold the tier. What a run that was killed has begun is removed. Raises OSError, Busy."""
        self._is = _identity(self.root)
        if os.path.lexists(self._own) and not _is_folder(self._own):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self._own))
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(json_file.locked(self._own / ".tier.lock", LOCK_SECONDS))
            except TimeoutError:
                raise Busy from None
            self.read()
            self._clear()
            yield self

    def read(self) -> None:
        """Read what there is. Raises OSError, SetupProblem."""
        found = json_file.read(self._file, _Held) or _Held()
        self.copies = {copy.path: copy for copy in found.copies if copy.files and copy.is_fit}

    def keep(self, *copies: Copy) -> None:
        """Note copies, before they get their names. Raises OSError."""
        self.copies |= {copy.path: copy for copy in copies}
        self._write()

    def forget(self, path: str) -> None:
        """Note that there is no such copy any more. Raises OSError."""
        if self.copies.pop(path, None):
            self._write()

    def fresh(self) -> Path:
        """A place that nothing has, where ComfyUI does not look, and that does not last.

        Raises OSError.
        """
        self.require_there()
        self._count += 1
        return self._fresh / f"{os.getpid()}.{self._count}.part"

    def others(self) -> int:
        """The bytes of what somebody else has put there, as far as it can be looked at."""
        every = ((copy, member) for copy in self.copies.values() for member in copy.files)
        ours = {f"{copy.path}/{member.path}".rstrip("/") for copy, member in every}
        size = 0
        for place, below, names in os.walk(self.root):
            below[:] = [name for name in below if name != OWN]
            inside = os.path.relpath(place, self.root)
            for name in names:
                if os.path.normpath(f"{inside}/{name}") not in ours:
                    with contextlib.suppress(OSError):
                        size += os.lstat(f"{place}/{name}").st_size
        return size

    def put_aside(self, path: str) -> Path:
        """Move what lies at a place below the tier to where ComfyUI does not look.

        Returns its new place. Raises OSError.
        """
        aside = self._own / "aside"
        aside.mkdir(exist_ok=True)
        name = path.rpartition("/")[2]
        for count in range(1000):
            target = aside / (f"{name}.{count}" if count else name)
            with contextlib.suppress(FileExistsError):
                swap.move_path(self.root / path, target)
                self.forget(path)
                return target
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(aside / name))

    def require_there(self) -> None:
        """Raise OSError where the folder is not the one that is held.

        Without its disk the folder that it is mounted on may be there: that is another disk.
        """
        if self._is != _identity(self.root):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(self.root))

    def _write(self) -> None:
        self.require_there()
        held = _Held(copies=tuple(self.copies[path] for path in sorted(self.copies)))
        write_atomic(self._file, to_json(held))

    def _clear(self) -> None:
        """Remove what was being copied when its run was killed: the lock says that none lives."""
        self._fresh.mkdir(exist_ok=True)
        if not _is_folder(self._fresh):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self._fresh))
        for name in os.listdir(self._fresh):
            if name.endswith(".part"):
                remove(self._fresh / name)


def remove(place: Path) -> None:
    """Remove a file, or a directory with all that is in it, where there is one. Raises OSError."""
    if _is_folder(place):
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _identity(root: Path) -> tuple[int, int]:
    info = root.stat()
    return info.st_dev, info.st_ino
