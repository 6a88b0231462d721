"""Zip archives, read strictly: a directory and members that tell the same, and nothing between.

Readers differ in what they make of an odd zip, and that is how a file is hidden from a scanner. So
an archive counts only if no two readers can differ on it: not those that go by the directory, not
those that go from member to member, and not those that put it on a disk.
"""

from __future__ import annotations

import io
import re
import struct
import unicodedata
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from comfyfix.formats.finding import damaged, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.zip.zip_directory import (
    ALL32,
    DESCRIPTOR,
    STORED,
    UTF8,
    Entry,
    entries,
    read_at,
    widened,
)

UNPACKED_FREE = 1 << 30  # bytes that any archive may unpack to: arrays of zeros pack by a thousand
NAME_MAX = 1024  # bytes
RATIO_MAX = 200  # of the unpacked to the packed size of the whole file, beyond that
_LEADS_OUT = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|\\|[\x00-\x1f\x7f]")

_LOOSE = re.compile(r"(?:^|[/. ])(?:/|$)")  # `a//b`, `a/./b`, `a. /b`, `a/`
_NOTHING_PACKED = 2  # bytes that nothing takes when it is packed, as Java does with folders


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `start` is where its bytes begin, `packed` and `size` are bytes."""

    name: str
    method: int
    start: int
    packed: int
    size: int


def members(stream: BinaryIO, size: int, *, any_case: bool = True) -> list[Member]:
    """Return the members of an archive that begins at byte 0, in their order. Raises Refused.

    Folders are passed over. `any_case`: its reader looks names up without regard to case, as torch
    does; numpy doesn't.
    """
    listed, begin = entries(stream, size)
    listed.sort(key=lambda entry: entry.offset)
    found, taken = list[Member](), set[int]()
    place = 0
    for entry, stop in zip(listed, [*(after.offset for after in listed[1:]), begin], strict=True):
        name = _name(entry)
        alike = _one_of(name, any_case=any_case)
        if alike in taken:
            raise unsafe(Flaw.ZIP_MEMBER_TWICE, member=entry.shown)
        taken.add(alike)
        start = _start(stream, entry, place)
        place = start + entry.packed
        if entry.flags & DESCRIPTOR:
            place += _descriptor(stream, entry, place, stop)
        if not name.endswith("/"):
            found.append(Member(name, entry.method, start, entry.packed, entry.size))
        elif entry.size or entry.packed > _NOTHING_PACKED:
            raise unsafe(Flaw.ZIP_FOLDER_WITH_CONTENT, member=entry.shown)
    if place != begin:
        raise unsafe(Flaw.ZIP_UNTOLD_BYTES)
    if sum(member.size for member in found) > max(UNPACKED_FREE, RATIO_MAX * size):
        raise unsafe(Flaw.ZIP_UNPACKS_TO_TOO_MUCH)
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
        whole = member.size <= limit and member.packed <= limit
        more = unpacker.decompress(unpacker.unconsumed_tail, 1) if whole else b""
    except zlib.error:
        raise damaged(Flaw.ZIP_MEMBER_DAMAGED, member=member.name) from None
    as_told = len(data) == member.size and not more and unpacker.eof and not unpacker.unused_data
    if whole and not as_told:
        raise unsafe(Flaw.ZIP_MEMBER_SIZE, member=member.name)
    return io.BytesIO(data), len(data)


def _name(entry: Entry) -> str:
    """Return the name that every reader sees."""
    if len(entry.raw_name) > NAME_MAX:
        raise unsafe(Flaw.ZIP_MEMBER_NAME_LONG, count=len(entry.raw_name))
    try:
        name = entry.raw_name.decode("utf-8" if entry.flags & UTF8 else "ascii")
    except UnicodeDecodeError:
        raise unsafe(Flaw.ZIP_MEMBER_NAME_ODD, member=entry.shown) from None
    if not name or _LEADS_OUT.search(name):
        raise unsafe(Flaw.ZIP_MEMBER_NAME_LEADS_OUT, member=entry.shown)
    return name


def _one_of(name: str, *, any_case: bool) -> int:
    """Return what is the same for all names that some reader or some disk takes for one.

    Disks leave away dots and spaces at the end of a part, and macOS tells no difference between
    letters that are put together in one way or another.
    """
    if name.isascii():
        folded = name.casefold() if any_case else name
    else:
        folded = unicodedata.normalize("NFKC", name)
        if any_case:
            folded = unicodedata.normalize("NFKC", folded.casefold())
    if _LOOSE.search(folded):
        folded = "/".join(filter(None, (part.rstrip(". ") for part in folded.split("/"))))
    # Letters can unfold to many times their bytes: what is kept of a name has a fixed length.
    return hash(folded)


def _start(stream: BinaryIO, entry: Entry, place: int) -> int:
    """Check the header in front of a member; return where its content begins."""
    if entry.offset != place:
        raise unsafe(Flaw.ZIP_UNTOLD_BYTES_BEFORE, member=entry.shown)
    header = read_at(stream, place, 30)
    flags, method, crc, packed, size, name, extra = struct.unpack("<HH4xIIIHH", header[6:])
    behind = read_at(stream, place + 30, name + extra)
    same = header[:4] == b"PK\x03\x04" and (flags, method) == (entry.flags, entry.method)
    if same and ALL32 in (packed, size):
        size, packed = widened(behind[name:], (size, packed), entry)
    numbers = (crc, packed, size)
    expected = (entry.crc, entry.packed, entry.size)
    # A part of them, or nothing, may stand in front of what is told behind it.
    later = flags & DESCRIPTOR and all(a in (0, b) for a, b in zip(numbers, expected, strict=True))
    if not same or (numbers != expected and not later) or behind[:name] != entry.raw_name:
        raise unsafe(Flaw.ZIP_MEMBER_CONTRADICTS, member=entry.shown)
    return place + 30 + len(behind)


def _descriptor(stream: BinaryIO, entry: Entry, place: int, stop: int) -> int:
    """Return the length of the record behind a member whose size was not known before it."""
    length = stop - place
    wide = length in (20, 24)
    if wide or max(entry.packed, entry.size) <= ALL32:
        numbers = struct.pack("<IQQ" if wide else "<III", entry.crc, entry.packed, entry.size)
        for record in (numbers, b"PK\x07\x08" + numbers):
            if len(record) == length and read_at(stream, place, length) == record:
                return length
    raise unsafe(Flaw.ZIP_MEMBER_CONTRADICTS_BEHIND, member=entry.shown)
