"""Lending: the bytes of a file near by come into the part of a download, hashed on their way.

A download script takes the lock, room and name of a file as ever; it asks us first whether the
bytes lie near by, and goes to the network where they do not. So nothing of a file near by counts
before its sha256 is that of the record. The file itself is only read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

from comfyfix.disk import regular
from comfyfix.disk.files import HASH_BLOCK
from comfyfix.nearby.leads import Lead, Likely, Sought
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import FileChanged, Halted

UNLIKELY_MAX = 3
"""Files that are hashed for one model though nothing but their size speaks for them.

Checkpoints of one family often have the very same size.
"""
WRONG_MAX = 12
"""Files that are read whole for one model and prove to be others; then no more are.

Side files may tell one hash of thousands of models.
"""
FICLONE = 0x40049409
"""Linux's ioctl that gives a file the blocks of another, where the filesystem can (linux/fs.h)."""
RIGHT, NONE, WANTS_ROOM = "0", "1", "2"
"""What a script is answered: the part is right (its hash follows), there is nothing, or a copy has
to be made, for which there must be room."""
Way = Literal["linked", "cloned", "copied"]
_CANT_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Lent:
    """What was lent: of which file, how, and the part's device and inode."""

    lead: Lead
    way: Way
    identity: tuple[int, int]


@dataclass(slots=True)
class Lender:
    """Answers one script. `links`: hard links may be made. `stopped` tells that all is to end."""

    sought: Sought
    leads: Sequence[Lead]
    log: HashLog
    stopped: Callable[[], bool] = bool
    links: bool = False
    lent: Lent | None = None
    _unlikely: int = 0
    _wrong: int = 0
    _open: list[Lead] = field(init=False)

    def __post_init__(self) -> None:
        """None has been tried yet."""
        self._open = list(self.leads)

    def answer(self, part: Path, how: str) -> str:
        """Bring the bytes into a part that is not there yet, or is empty.

        `clone`: only what takes no room; `copy`: also what does.
        """
        leads, self._open = self._open, []
        for lead in leads:
            with contextlib.suppress(OSError, Halted):
                way = self._lend(lead, part, copies=how == "copy")
                if way is not None:
                    info = part.stat()
                    self.lent = Lent(lead, way, (info.st_dev, info.st_ino))
                    return f"{RIGHT} {self.sought.sha256}"
        return WANTS_ROOM if self._open else NONE

    def proven(self) -> Lead | None:
        """The first lead of the right bytes; they are hashed now, unless they have been before."""
        for lead in self.leads:
            with contextlib.suppress(OSError, Halted), regular.untouched(lead.path) as stream:
                info = os.fstat(stream.fileno())
                if self._sha256(lead, stream, info, takes_word=False) == self.sought.sha256:
                    return replace(lead, size=info.st_size)
        return None

    def promised(self) -> Lead | None:
        """The first lead that is said to be the file, or has been seen to be; none is hashed."""
        for lead in self.leads:
            with contextlib.suppress(OSError), regular.untouched(lead.path) as stream:
                info = os.fstat(stream.fileno())
                known = self.log.find(lead.path, info)
                is_said = known is None and lead.likely is Likely.CLAIMED
                if self.sought.fits(info.st_size) and (is_said or known == self.sought.sha256):
                    return lead
        return None

    def _lend(self, lead: Lead, part: Path, *, copies: bool) -> Way | None:
        with regular.untouched(lead.path) as stream:
            info = os.fstat(stream.fileno())
            if self._sha256(lead, stream, info, takes_word=True) != self.sought.sha256:
                return None
            if self.links and lead.linkable and _linked(stream, lead, part):
                return self._proven(part, "linked", self._hash(stream))
            if copies:
                digest = self._copy(stream, part)
                self.log.keep(lead.path, info, digest)
                return self._proven(part, "copied", digest)
            if not _cloned(stream, part):
                self._open.append(lead)
                return None
        with regular.opened(part) as clone:
            return self._proven(part, "cloned", self._hash(clone))

    def _sha256(
        self, lead: Lead, stream: BinaryIO, info: os.stat_result, *, takes_word: bool
    ) -> str | None:
        """The hash of a file, or the one that it is said to have; None for what can't be it.

        `takes_word`: what is vouched for is not hashed, since its copy will be.
        """
        if not self.sought.fits(info.st_size) or (self.sought.size is None and _is_hollow(info)):
            return None
        known = self.log.find(lead.path, info)
        if known is not None or self._wrong >= WRONG_MAX:
            return known
        if takes_word and lead.likely is Likely.CLAIMED:
            return self.sought.sha256
        if lead.likely is Likely.OF_SIZE:
            self._unlikely += 1
            if self._unlikely > UNLIKELY_MAX:
                return None
        digest = self._hash(stream)
        self.log.keep(lead.path, info, digest)
        self._wrong += digest != self.sought.sha256
        return digest

    def _proven(self, part: Path, way: Way, digest: str) -> Way | None:
        if digest == self.sought.sha256:
            return way
        self._wrong += 1
        part.unlink(missing_ok=True)
        return None

    def _copy(self, stream: BinaryIO, part: Path) -> str:
        # Where room has been taken for it the part is there already, and empty.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o666), "wb", buffering=0) as out:
            info = os.fstat(out.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_size > 0 or info.st_nlink != 1:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(part))
            try:
                return self._hash(stream, out)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def _hash(self, stream: BinaryIO, out: BinaryIO | None = None) -> str:
        """Hash a file from its beginning, and write it if asked to. Raises FileChanged, Halted."""
        before = os.fstat(stream.fileno())
        stream.seek(0)
        digest, view = hashlib.sha256(), memoryview(bytearray(HASH_BLOCK))
        left = before.st_size + 1  # one that grows has no end
        while left > 0 and (count := stream.readinto(view[:left])):  # type: ignore[attr-defined]
            if self.stopped():
                raise Halted
            digest.update(view[:count])
            left -= count
            if out is not None:
                _write(out, view[:count])
        after = os.fstat(stream.fileno())
        if left != 1 or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise FileChanged
        return digest.hexdigest()


def _write(out: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[out.write(data) :]


def _linked(stream: BinaryIO, lead: Lead, part: Path) -> bool:
    """Give a file of this user a further name, if it is still the one that is open."""
    info = os.fstat(stream.fileno())
    if info.st_uid != os.geteuid():
        return False
    try:
        os.link(lead.path, part, follow_symlinks=False)
    except OSError:
        return False
    if os.path.samestat(os.lstat(part), info):
        return True
    part.unlink()
    return False


def _cloned(stream: BinaryIO, part: Path) -> bool:
    """Make the part of the same blocks; False where the filesystem can't."""
    if sys.platform != "linux":
        return False
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o666), "wb", buffering=0) as out:
        try:
            fcntl.ioctl(out.fileno(), FICLONE, stream.fileno())
        except OSError as error:
            part.unlink()
            if error.errno not in _CANT_CLONE:
                raise
            return False
    return True


def _is_hollow(info: os.stat_result) -> bool:
    """Tell a file that is mostly holes: it was made large, and never filled."""
    return info.st_blocks * 512 < info.st_size // 2 and info.st_size > HASH_BLOCK
