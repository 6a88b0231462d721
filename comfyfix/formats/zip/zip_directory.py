"""The directory at the end of a zip, read strictly: where it is, and what its entries tell.

The archive begins at byte 0 and its directory ends the file. Each number has one meaning: what is
told in 32 bits is told in 64 only where the 32 say so, and fields that readers take apart (a
second name, a link, flags and ways to pack that not all know) are refused.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from comfyfix.formats.finding import damaged, unsafe
from comfyfix.formats.flaws import Flaw

MEMBERS_MAX = 100_000  # the largest checkpoints have ten thousand
DIRECTORY_MAX = 32_000_000  # bytes
STORED, DEFLATED = 0, 8
DESCRIPTOR = 8
"""The flag of a member whose size is told behind it."""
UTF8 = 0x800
"""The flag of a name that is not in the letters of old DOS."""
_ENCRYPTED = 0x2041  # of one kind or another
_KNOWN = DESCRIPTOR | UTF8 | 6  # and how hard it was packed
_END, _LOCATOR, _END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
ALL16, ALL32 = 0xFFFF, 0xFFFFFFFF
_WIDE, _UNICODE_NAME = 1, 0x7075  # kinds of extra fields
_VERSION_MAX = 63  # of the format; readers refuse what is written for later ones, or do not
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)
_DEEPEST = 65_557  # bytes: how far from the end of a file its directory's end can be


@dataclass(frozen=True, slots=True)
class Entry:
    """What the directory tells of a member; `offset` is the place of what stands before it."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def shown(self) -> str:
        """The name for messages."""
        return self.raw_name.decode("utf-8", "backslashreplace")


def entries(stream: BinaryIO, size: int) -> tuple[list[Entry], int]:
    """Return the directory's entries, and the place where it begins. Raises Refused."""
    begin, length, count = _directory(stream, size)
    if count > MEMBERS_MAX or length > DIRECTORY_MAX:
        raise unsafe(Flaw.ZIP_DIRECTORY_LARGE, entries=count, count=length)
    return _entries(read_at(stream, begin, length), count), begin


def read_at(stream: BinaryIO, place: int, length: int) -> bytes:
    """Read exactly so many bytes at a place. Raises Refused."""
    stream.seek(place)
    data = stream.read(length)
    if len(data) != length:
        raise damaged(Flaw.ZIP_POINTS_OUTSIDE)
    return data


def widened(extra: bytes, numbers: tuple[int, ...], entry: Entry) -> tuple[int, ...]:
    """Replace the numbers that are all ones by those of 64 bits that an entry's extra field tells.

    The field must tell these and no others: a reader might take them for what they are not.
    Raises Refused.
    """
    if not extra and ALL32 not in numbers:
        return numbers
    wanted = sum(number == ALL32 for number in numbers)
    fields = [data for kind, data in _fields(extra, entry) if kind == _WIDE]
    if not wanted and not any(fields):
        return numbers
    if len(fields) != 1 or len(fields[0]) != 8 * wanted:
        raise unsafe(Flaw.ZIP_MEMBER_CONTRADICTS, member=entry.shown)
    wide = iter(struct.unpack(f"<{wanted}Q", fields[0]))
    return tuple(next(wide) if number == ALL32 else number for number in numbers)


def _fields(extra: bytes, entry: Entry) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of each extra field; zeros behind the last are there to align."""
    while extra.strip(b"\0"):
        kind, length = struct.unpack("<HH", extra[:4].ljust(4, b"\0"))
        if len(extra) < 4 + length:
            raise unsafe(Flaw.ZIP_MEMBER_EXTRA_DAMAGED, member=entry.shown)
        if kind == _UNICODE_NAME:
            raise unsafe(Flaw.ZIP_MEMBER_SECOND_NAME, member=entry.shown)
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]


def _directory(stream: BinaryIO, size: int) -> tuple[int, int, int]:
    """Find the directory: where it begins, its length, how many entries it has."""
    tail = read_at(stream, max(0, size - _DEEPEST), min(size, _DEEPEST))
    end = size - 22
    if tail[-22:-18] != _END or tail[-2:] != b"\0\0":
        if 0 <= tail.rfind(_END) <= len(tail) - 22:
            raise unsafe(Flaw.ZIP_BYTES_AFTER)
        raise damaged(Flaw.ZIP_NO_DIRECTORY)
    disks, here, count, length, begin = struct.unpack("<IHHII", tail[-18:-2])
    stop = end
    if tail[-42:-38] == _LOCATOR:
        stop, wide = _directory64(stream, end - 20)
        small = (here, count, length, begin)
        most = (ALL16, ALL16, ALL32, ALL32)
        if any(a not in (b, full) for a, b, full in zip(small, wide, most, strict=True)):
            raise unsafe(Flaw.ZIP_TWO_DIRECTORIES)
        here, count, length, begin = wide
    if disks or here != count or begin + length != stop:
        raise unsafe(Flaw.ZIP_DIRECTORY_ELSEWHERE)
    return begin, length, count


def _directory64(stream: BinaryIO, locator: int) -> tuple[int, tuple[int, int, int, int]]:
    disk, place, disks = struct.unpack("<IQI", read_at(stream, locator + 4, 16))
    if place != locator - 56 or disk or disks > 1:
        raise unsafe(Flaw.ZIP_DIRECTORY_ELSEWHERE)
    record = read_at(stream, place, 56)
    length, _, numbers, here, count, size, begin = struct.unpack("<QIQQQQQ", record[4:])
    if record[:4] != _END64 or length != 44 or numbers:  # noqa: PLR2004 - the record's fixed length
        raise unsafe(Flaw.ZIP_DIRECTORY_ODD)
    return place, (here, count, size, begin)


def _entries(directory: bytes, count: int) -> list[Entry]:
    found: list[Entry] = []
    place = 0
    for _ in range(count):
        fixed = directory[place : place + 46]
        if len(fixed) != 46 or fixed[:4] != b"PK\x01\x02":  # noqa: PLR2004 - the entry's fixed length
            raise damaged(Flaw.ZIP_DIRECTORY_DAMAGED)
        needed, flags, method = struct.unpack("<BxHH", fixed[6:12])
        crc, packed, size, name, extra, comment, disk, _, attributes, offset = struct.unpack(
            "<IIIHHHHHII", fixed[16:46]
        )
        start = place + 46
        place = start + name + extra + comment
        raw_name = directory[start : start + name]
        entry = Entry(raw_name, flags, method, crc, packed, size, offset)
        numbers = (size, packed, offset)
        wide = widened(directory[start + name : start + name + extra], numbers, entry)
        if wide != numbers:
            size, packed, offset = wide
            entry = Entry(raw_name, flags, method, crc, packed, size, offset)
        if disk or needed > _VERSION_MAX or stat.S_IFMT(attributes >> 16) not in _KINDS:
            raise unsafe(Flaw.ZIP_MEMBER_LINK, member=entry.shown)
        _require_plain(entry)
        found.append(entry)
    if place != len(directory):
        raise unsafe(Flaw.ZIP_DIRECTORY_HOLDS_MORE)
    return found


def _require_plain(entry: Entry) -> None:
    if entry.flags & _ENCRYPTED:
        raise unsafe(Flaw.ZIP_MEMBER_ENCRYPTED, member=entry.shown)
    if entry.flags & ~_KNOWN:
        raise unsafe(Flaw.ZIP_MEMBER_FLAGS, member=entry.shown)
    if entry.method not in (STORED, DEFLATED):
        raise unsafe(Flaw.ZIP_MEMBER_PACKED_ODDLY, member=entry.shown)
    if entry.method == STORED and entry.packed != entry.size:
        raise unsafe(Flaw.ZIP_MEMBER_SIZE, member=entry.shown)
