"""Zip archives, read strictly: a directory and members that tell the same, and nothing between.

Readers differ in what they make of an odd zip, and that is how a file is hidden from a scanner. So
an archive counts only if no two readers can differ on it.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from comfyfix.files import printable
from comfyfix.formats.finding import damaged, unsafe

MEMBERS_MAX = 100_000  # the largest checkpoints have ten thousand
DIRECTORY_MAX = 32_000_000  # bytes
RATIO_MAX = 200  # of the unpacked to the packed size of the whole file
_END, _LOCATOR, _END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_ALL32 = 0xFFFFFFFF
_ENCRYPTED, _DESCRIPTOR = 1, 8
STORED, DEFLATED = 0, 8
_SYMLINK, _KIND = 0o120000, 0o170000
_LEADS_OUT = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|\\|[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `start` is where its bytes begin, `packed` and `size` are bytes."""

    name: str
    method: int
    start: int
    packed: int
    size: int


@dataclass(frozen=True, slots=True)
class _Entry:
    raw_name: bytes
    flags: int
    method: int
    packed: int
    size: int
    offset: int


def members(stream: BinaryIO, size: int) -> list[Member]:
    """Return the members of an archive that begins at byte 0, in their order. Raises Refused."""
    begin, length, count = _directory(stream, size)
    if count > MEMBERS_MAX or length > DIRECTORY_MAX:
        raise unsafe(
            f"its zip directory has {count} entries in {length} bytes, too many to look at"
        )
    entries = _entries(_at(stream, begin, length), count)
    found: list[Member] = []
    names = set[str]()
    place = 0
    for entry in sorted(entries, key=lambda e: e.offset):
        name = entry.raw_name.decode("utf-8", "backslashreplace")
        _require_plain(name, entry)
        if name.casefold() in names:  # torch looks names up without regard to case
            raise unsafe(f"its zip has two members named {printable(name, 60)}")
        names.add(name.casefold())
        start = _start(stream, entry, place)
        found.append(Member(name, entry.method, start, entry.packed, entry.size))
        place = start + entry.packed
        if entry.flags & _DESCRIPTOR:
            place += _descriptor(stream, place)
    if place != begin:
        raise unsafe("its zip holds bytes that its directory does not tell of")
    if sum(member.size for member in found) > RATIO_MAX * size:
        raise unsafe("its zip unpacks to far more than it holds")
    return found


def opened(stream: BinaryIO, member: Member, limit: int) -> tuple[BinaryIO, int]:
    """Return a stream at the beginning of a member's content, and how many bytes of it to read.

    What is packed is unpacked in memory, up to `limit` bytes. Raises Refused.
    """
    stream.seek(member.start)
    if member.method == STORED:
        return stream, min(member.size, limit)
    unpacker = zlib.decompressobj(-15)
    try:
        data = unpacker.decompress(stream.read(min(member.packed, limit)), limit)
    except zlib.error:
        raise damaged(
            f"the member {printable(member.name, 60)} of its zip can't be unpacked"
        ) from None
    if member.size <= limit and len(data) != member.size:
        raise unsafe(
            f"the member {printable(member.name, 60)} of its zip is not as large as it says"
        )
    return io.BytesIO(data), len(data)


def _at(stream: BinaryIO, place: int, length: int) -> bytes:
    stream.seek(place)
    data = stream.read(length)
    if len(data) != length:
        raise damaged("its zip directory points outside of it")
    return data


def _directory(stream: BinaryIO, size: int) -> tuple[int, int, int]:
    """Find the directory: where it begins, its length, how many entries it has."""
    tail = _at(stream, max(0, size - 65_557), min(size, 65_557))
    end = size - 22
    if tail[-22:-18] != _END or tail[-2:] != b"\0\0":
        if 0 <= tail.rfind(_END) <= len(tail) - 22:
            raise unsafe("bytes follow the end of its zip")
        raise damaged("it is cut short: a zip archive without a directory at its end")
    disks, here, count, length, begin = struct.unpack("<IHHII", tail[-18:-2])
    stop = end
    if tail[-42:-38] == _LOCATOR:
        stop, told = _directory64(stream, end - 20)
        small = (here, count, length, begin)
        wide = (0xFFFF, 0xFFFF, _ALL32, _ALL32)
        if any(a not in (b, most) for a, b, most in zip(small, told, wide, strict=True)):
            raise unsafe("its zip has two directories that differ")
        here, count, length, begin = told
    if disks or here != count or begin + length != stop:
        raise unsafe("its zip directory is not where it says")
    return begin, length, count


def _directory64(stream: BinaryIO, locator: int) -> tuple[int, tuple[int, int, int, int]]:
    disk, place, disks = struct.unpack("<IQI", _at(stream, locator + 4, 16))
    if place != locator - 56 or disk or disks > 1:
        raise unsafe("its zip directory is not where it says")
    record = _at(stream, place, 56)
    length, _, numbers, here, count, size, begin = struct.unpack("<QIQQQQQ", record[4:])
    if record[:4] != _END64 or length != 44 or numbers:  # noqa: PLR2004 - the record's fixed length
        raise unsafe("its zip directory is not one that torch writes")
    return place, (here, count, size, begin)


def _entries(directory: bytes, count: int) -> list[_Entry]:
    found: list[_Entry] = []
    place = 0
    for _ in range(count):
        fixed = directory[place : place + 46]
        if len(fixed) != 46 or fixed[:4] != b"PK\x01\x02":  # noqa: PLR2004 - the entry's fixed length
            raise damaged("its zip directory is damaged")
        flags, method = struct.unpack("<HH", fixed[8:12])
        packed, size, name, extra, comment, disk, _, attributes, offset = struct.unpack(
            "<IIHHHHHII", fixed[20:46]
        )
        start = place + 46
        place = start + name + extra + comment
        raw_name = directory[start : start + name]
        packed, size, offset = _wide(
            directory[start + name : start + name + extra], size, packed, offset
        )
        if disk or (attributes >> 16) & _KIND == _SYMLINK:
            raise unsafe(f"the member {_shown(raw_name)} of its zip is a link to elsewhere")
        found.append(_Entry(raw_name, flags, method, packed, size, offset))
    if place != len(directory):
        raise unsafe("its zip directory holds more than its entries")
    return found


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Replace numbers of 32 bits by those of 64 that an extra field tells."""
    values = b""
    while len(extra) >= 4:  # noqa: PLR2004 - kind and length
        kind, length = struct.unpack("<HH", extra[:4])
        if kind == 1:
            values = extra[4 : 4 + length]
        extra = extra[4 + length :]
    told = []
    for value in (size, packed, offset):
        if value == _ALL32:
            if len(values) < 8:  # noqa: PLR2004 - 64 bits
                raise damaged("its zip directory is damaged")
            told.append(int.from_bytes(values[:8], "little"))
            values = values[8:]
        else:
            told.append(value)
    return told[1], told[0], told[2]


def _require_plain(name: str, entry: _Entry) -> None:
    if not name or _LEADS_OUT.search(name):
        raise unsafe(
            f"a member of its zip is named {printable(name, 60)}, which leads out of a folder"
        )
    if entry.flags & _ENCRYPTED:
        raise unsafe(f"the member {printable(name, 60)} of its zip is encrypted")
    if entry.method not in (STORED, DEFLATED):
        raise unsafe(f"the member {printable(name, 60)} of its zip is packed in an unknown way")
    if entry.method == STORED and entry.packed != entry.size:
        raise unsafe(f"the member {printable(name, 60)} of its zip is not as large as it says")


def _start(stream: BinaryIO, entry: _Entry, place: int) -> int:
    """Check the header in front of a member; return where its content begins."""
    if entry.offset != place:
        raise unsafe(f"its zip holds bytes before {_shown(entry.raw_name)} that no entry tells of")
    header = _at(stream, place, 30)
    _, flags, method, _, _, packed, size, name, extra = struct.unpack("<HHHIIIIHH", header[4:])
    same = header[:4] == b"PK\x03\x04" and method == entry.method
    same = same and (flags ^ entry.flags) & (_ENCRYPTED | _DESCRIPTOR) == 0
    if not flags & _DESCRIPTOR:
        same = same and packed in (entry.packed, _ALL32) and size in (entry.size, _ALL32)
    if not same or _at(stream, place + 30, name) != entry.raw_name:
        raise unsafe(f"its zip contradicts itself about the member {_shown(entry.raw_name)}")
    return place + 30 + int(name) + int(extra)


def _descriptor(stream: BinaryIO, place: int) -> int:
    """Return the length of the record behind a member whose size was not known before it."""
    data = _at(stream, place, 28)
    first = 4 if data.startswith(b"PK\x07\x08") else 0
    for numbers in (8, 16):
        after = data[first + 4 + numbers :][:4]
        if after in (b"PK\x03\x04", b"PK\x01\x02"):
            return first + 4 + numbers
    raise unsafe("its zip holds bytes that its directory does not tell of")


def _shown(raw_name: bytes) -> str:
    return printable(raw_name.decode("utf-8", "backslashreplace"), 60)
