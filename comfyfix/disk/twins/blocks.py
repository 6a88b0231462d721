"""Files that share their blocks on the disk: made so by the kernel, which compares them first.

Linux on XFS, Btrfs and the like. Both files stay files of their own, with all that is told of them;
whoever writes to one gets blocks of its own for that.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys

_FIDEDUPERANGE = 0xC0189436
"""Linux's ioctl that lets two equal ranges share their blocks (linux/fs.h)."""
_FIEMAP = 0xC020660B
"""Linux's ioctl that tells where the blocks of a file lie (linux/fiemap.h)."""
_AT_ONCE = 16 << 20  # bytes; Btrfs takes no more in one step
_EXTENTS = 512
_RANGE, _OTHER = struct.Struct("=QQHHI"), struct.Struct("=qQQiI")
_MAP, _EXTENT = struct.Struct("=QQIIII"), struct.Struct("=QQQQQIIII")
_SYNC, _LAST = 1, 1
_NOT_TOLD = 0x2 | 0x4 | 0x200
"""Flags of a piece whose place is not known, not settled, or among the notes of the filesystem."""


class Differs(Exception):
    """The two are not equal."""


def share(one: int, other: int, size: int) -> None:
    """Let `other` have the blocks of `one`, both open and of `size` bytes.

    Raises Differs, and OSError where the filesystem can't. What is done by then stays done.
    """
    at = 0
    while at < size:
        length = min(_AT_ONCE, size - at)
        asked = _RANGE.pack(at, length, 1, 0, 0) + _OTHER.pack(other, at, 0, 0, 0)
        answered = fcntl.ioctl(one, _FIDEDUPERANGE, asked)
        _, _, done, status, _ = _OTHER.unpack_from(answered, _RANGE.size)
        if status < 0:
            raise OSError(-status, os.strerror(-status))
        if status > 0 or done == 0:
            raise Differs
        at += done


def can_share(one: int, other: int) -> bool:
    """Tell whether the filesystem of two open files knows how; nothing is done."""
    try:
        asked = _RANGE.pack(0, 0, 1, 0, 0) + _OTHER.pack(other, 0, 0, 0, 0)
        answered = fcntl.ioctl(one, _FIDEDUPERANGE, asked)
        return bool(_OTHER.unpack_from(answered, _RANGE.size)[3] == 0)
    except OSError:
        return False


def are_shared(one: int, other: int) -> bool:
    """Tell whether all blocks of two open files are the same, as far as the filesystem tells."""
    if sys.platform != "linux":
        return False
    try:
        mine = _blocks(one)
        return bool(mine) and mine == _blocks(other)
    except OSError:
        return False


def _blocks(handle: int) -> list[tuple[int, int, int]]:
    """Where the pieces of a file lie: (place in the file, place on the disk, bytes).

    Nothing where the filesystem does not tell it of all.
    """
    found: list[tuple[int, int, int]] = []
    start = 0
    while True:
        room = bytearray(_MAP.size + _EXTENTS * _EXTENT.size)
        _MAP.pack_into(room, 0, start, (1 << 64) - 1 - start, _SYNC, 0, _EXTENTS, 0)
        fcntl.ioctl(handle, _FIEMAP, room)
        count = _MAP.unpack_from(room)[3]
        for number in range(count):
            place, disk, length, _, _, flags, *_ = _EXTENT.unpack_from(
                room, _MAP.size + number * _EXTENT.size
            )
            if flags & _NOT_TOLD:
                return []
            found.append((place, disk, length))
            start = place + length
            if flags & _LAST:
                return _together(found)
        if not count:
            return _together(found)


def _together(pieces: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Pieces that follow one another in the file and on the disk are one."""
    found: list[tuple[int, int, int]] = []
    for place, disk, length in pieces:
        if found:
            before, at, long = found[-1]
            if (before + long, at + long) == (place, disk):
                found[-1] = (before, at, long + length)
                continue
        found.append((place, disk, length))
    return found
