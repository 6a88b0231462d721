"""Places that files are put into by their sha256: a folder, or a bucket.

A file gets its name once all of it is there and has been hashed on its way: whatever happens in
between, and however many write at once, no one finds a part of it, or another, under its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from comfyfix.disk import regular, temporary
from comfyfix.disk.files import HASH_BLOCK, led_into
from comfyfix.errors import ModelProblem
from comfyfix.net.buckets import PART_BYTES, Bucket
from comfyfix.outcomes import Outcome
from comfyfix.settings.mirror import Mirror, name_of
from comfyfix.state.hashing import Halted
from comfyfix.why import Why

_NAME = re.compile(r"sha256/(?P<begin>[0-9a-f]{2})/(?P<sha256>(?P=begin)[0-9a-f]{62})")


class OtherBytes(Exception):
    """What was to be put under a hash has another, or another size."""


class Holder(Protocol):
    """What can be filled. Each raises OSError or BucketFailed."""

    def listed(self) -> Iterator[tuple[str, int]]:
        """The hashes that it has files for, each with the bytes of its file."""
        ...

    def size(self, sha256: str) -> int | None:
        """The bytes of a file; None where there is none."""
        ...

    def put(self, sha256: str, stream: BinaryIO, size: int) -> None:
        """Put a file. Raises OtherBytes where its bytes are not those."""
        ...

    def hash_of(self, sha256: str) -> str:
        """The sha256 of what lies under one."""
        ...


def holder(mirror: Mirror, halted: Callable[[], bool]) -> Holder | None:
    """What is filled; None for an address, which can only be read. Raises BucketFailed.

    `halted` tells that all is to end: what is under way raises Halted then.
    """
    if mirror.kind == "address":
        return None
    if mirror.kind == "folder":
        return FolderHolder(Path(mirror.place), halted)
    return BucketHolder(mirror.place, halted)


class FolderHolder:
    """A folder, of this machine or of a network."""

    def __init__(self, root: Path, halted: Callable[[], bool] = bool) -> None:
        self.root = root
        self._halted = halted

    def path(self, sha256: str) -> Path:
        """Where the file of a hash lies."""
        return self.root / name_of(sha256)

    def ready(self, sha256: str) -> Path:
        """Where a file is to be put: its folder made, and nothing there but a plain file.

        Raises OSError, and ModelProblem for a folder that somebody's link leads elsewhere.
        """
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        if led_into(path.parent, self.root) is None:
            raise ModelProblem(Outcome.UNWRITABLE, Why.FOLDER_LEADS_OUT, folder=path.parent)
        with contextlib.suppress(FileNotFoundError):
            if not (stat.S_ISREG(mode := os.lstat(path).st_mode) or stat.S_ISDIR(mode)):
                path.unlink()
        return path

    def listed(self) -> Iterator[tuple[str, int]]:
        """The hashes that it has files for, each with the bytes of its file."""
        top = self.root / "sha256"
        for begin in sorted(_names(top)):
            for name in sorted(_names(top / begin)):
                if _NAME.fullmatch(f"sha256/{begin}/{name}"):
                    size = self.size(name)
                    if size is not None:
                        yield name, size

    def size(self, sha256: str) -> int | None:
        """The bytes of a file; None where there is none: a link or a pipe is none."""
        try:
            info = os.lstat(self.path(sha256))
        except FileNotFoundError:
            return None
        return info.st_size if stat.S_ISREG(info.st_mode) else None

    def put(self, sha256: str, stream: BinaryIO, size: int) -> None:
        """Put a file: under a name of its own until it is whole, right and on the disk."""
        path = self.ready(sha256)
        temporary.clear(path.parent)
        handle, fresh = temporary.make(path)
        try:
            with os.fdopen(handle, "wb", buffering=0) as out:
                for block in proven(stream, sha256, size, self._halted):
                    view = memoryview(block)
                    while view:
                        view = view[out.write(view) :]
                # Who may write to a folder may write to its files.
                os.fchmod(out.fileno(), 0o444 | os.stat(path.parent).st_mode & 0o222)
                os.fsync(out.fileno())
            os.replace(fresh, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise

    def hash_of(self, sha256: str) -> str:
        """The sha256 of what lies under one."""
        with regular.opened(self.path(sha256)) as stream:
            return _hash(iter(partial(stream.read, HASH_BLOCK), b""), self._halted)


class BucketHolder:
    """A bucket, or what lies below a prefix in one."""

    def __init__(self, place: str, halted: Callable[[], bool]) -> None:
        self._bucket = Bucket(place)
        self._halted = halted

    def listed(self) -> Iterator[tuple[str, int]]:
        """The hashes that it has files for, each with the bytes of its file."""
        for path, size in self._bucket.listed("sha256"):
            if named := _NAME.fullmatch(path):
                yield named["sha256"], size

    def size(self, sha256: str) -> int | None:
        """The bytes of a file; None where there is none."""
        return self._bucket.size(name_of(sha256))

    def put(self, sha256: str, stream: BinaryIO, size: int) -> None:
        """Put a file: the bucket has all of it or nothing."""
        blocks = proven(stream, sha256, size, self._halted, PART_BYTES)
        if size <= PART_BYTES:
            self._bucket.put(name_of(sha256), b"".join(blocks))
        else:
            self._bucket.put_parts(name_of(sha256), blocks, size)

    def hash_of(self, sha256: str) -> str:
        """The sha256 of what lies under one."""
        return _hash(self._bucket.blocks(name_of(sha256)), self._halted)


def proven(
    stream: BinaryIO,
    sha256: str,
    size: int,
    halted: Callable[[], bool] = bool,
    block: int = HASH_BLOCK,
) -> Iterator[bytes]:
    """The blocks of a file; the last is not given before all of them have the size and the hash.

    Raises OtherBytes, whatever becomes of the file meanwhile, and Halted.
    """
    digest, left, last = hashlib.sha256(), size, b""
    while left >= 0:
        if halted():
            raise Halted
        data = _read(stream, min(block, left + 1))
        if not data:
            break
        left -= len(data)
        digest.update(data)
        if last:
            yield last
        last = data
    if left != 0 or digest.hexdigest() != sha256:
        raise OtherBytes
    if last:
        yield last


def _hash(blocks: Iterable[bytes], halted: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        if halted():
            raise Halted
        digest.update(block)
    return digest.hexdigest()


def _read(stream: BinaryIO, count: int) -> bytes:
    """So many bytes, fewer at the end alone: a raw stream may give what it has at hand."""
    data = stream.read(count)
    while data and len(data) < count and (more := stream.read(count - len(data))):
        data += more
    return data


def _names(folder: Path) -> list[str]:
    """The entries of a folder that is there; links to others are not followed."""
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return []
        return os.listdir(folder)
    except FileNotFoundError:
        return []
