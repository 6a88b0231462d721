"""What lies in the fast tier by our doing: `FAST/.comfyfix/tier.json`.

It says of each copy which file of the store it is one of. What the folder holds besides is
somebody's: it is neither counted nor touched.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic
from comfyfix.records import to_json

_HASH = re.compile(r"[0-9a-f]{64}")
Stamp = tuple[int, int, int, int]
"""Device, inode, size and time of a file: while these hold, so do its bytes."""


def stamp(info: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy, at `path` below the tier. `of` is the stamp of its source when that was hashed.

    `needed_at` is when a workflow last needed it, in seconds of the system's clock.
    """

    path: str
    source: str
    sha256: str
    made: Stamp
    of: Stamp
    needed_at: float

    @property
    def size(self) -> int:
        """In bytes."""
        return self.made[2]

    @property
    def is_fit(self) -> bool:
        """Tell whether it can be one of ours: nothing that somebody wrote here leads elsewhere."""
        plain = os.path.normpath(f"/{self.path}") == f"/{self.path}" and "\0" not in self.path
        inside = plain and not self.path.startswith(".")
        return inside and os.path.isabs(self.source) and bool(_HASH.fullmatch(self.sha256))


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    copies: tuple[Copy, ...] = ()


class Tier:
    """The copies of a fast tier, while this process alone changes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._own = root / ".comfyfix"
        self._file = self._own / "tier.json"
        self.fresh = self._own / "new"
        self.copies: dict[str, Copy] = {}

    @contextlib.contextmanager
    def held(self) -> Iterator[Tier]:
        """Hold the tier. What a run that was killed has begun is removed. Raises OSError."""
        with json_file.locked(self._own / ".tier.lock"):
            self.read()
            self._clear()
            yield self

    def read(self) -> None:
        """Read what there is. Raises OSError, SetupProblem."""
        found = json_file.read(self._file, _Held) or _Held()
        self.copies = {copy.path: copy for copy in found.copies if copy.is_fit}

    def keep(self, *copies: Copy) -> None:
        """Note copies, before they get their names. Raises OSError."""
        self.copies |= {copy.path: copy for copy in copies}
        self._write()

    def forget(self, path: str) -> None:
        """Note that there is no such copy any more. Raises OSError."""
        if self.copies.pop(path, None):
            self._write()

    def _write(self) -> None:
        held = _Held(copies=tuple(self.copies[path] for path in sorted(self.copies)))
        write_atomic(self._file, to_json(held))

    def _clear(self) -> None:
        """Remove what was being copied when its run was killed: the lock says that none lives."""
        self.fresh.mkdir(exist_ok=True)
        if self.fresh.is_symlink():
            raise NotADirectoryError(str(self.fresh))
        for name in os.listdir(self.fresh):
            if name.endswith(".part"):
                (self.fresh / name).unlink()
