"""An archive behind: a file of another format that readers of zips open all the same.

A zip is found from its end, so that anything may stand before it: a picture, weights, a program.
Who loads such a file by another reader than it was judged for gets what lies in the archive.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from comfyfix.formats.finding import unsafe
from comfyfix.formats.flaws import Flaw

TAIL = 17 * 4096
"""Bytes at the end in which a directory's end is looked for. Python looks into 65,558, torch (by
miniz, in steps of 4093 bytes) into 69,584 and no further."""
ENDS_MAX = 16  # a single one in a tail of weights is a chance of one in sixty thousand
_HEADER, _ENTRY = b"PK\x03\x04", b"PK\x01\x02"
_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _END64_BYTES, _LOCATOR_BYTES = 22, 56, 20


def check(stream: BinaryIO, size: int) -> None:
    """Refuse a file of `size` bytes that some reader opens as a zip, though it begins otherwise.

    Told is every end of a directory by which Python's zipfile, miniz (so torch) or a reader that
    takes the zip to stand anywhere in the file finds a first entry: at the place that it tells,
    or right before it, with numbers of 32 or of 64 bits. Files that begin as a zip are for
    `archive`; an archive without entries holds nothing and is not told.

    Never by chance: random bytes hold the four bytes of an end in their tail once in 60,000 files,
    and then, at one of at most 24 places, the four of an entry: once in 10^13 files.

    Reads 68 kB at the end, and little more only where an end is found. Raises Refused (unsafe).
    """
    stream.seek(0)
    if stream.read(4) == _HEADER:
        return
    begin = max(0, size - TAIL)
    stream.seek(begin)
    tail = stream.read(size - begin)
    ends = 0
    place = tail.find(_END)
    while place >= 0:
        ends += 1
        if ends > ENDS_MAX:
            raise unsafe(Flaw.ZIP_BEHIND_MANY)
        for start in _starts(stream, tail[place : place + _END_BYTES], begin + place):
            if 0 <= start < begin + place and _read(stream, start, 4) == _ENTRY:
                raise unsafe(Flaw.ZIP_BEHIND, place=begin + place)
        place = tail.find(_END, place + 1)


def _starts(stream: BinaryIO, record: bytes, place: int) -> Iterator[int]:
    """Yield where readers look for the directory whose end stands at a place in the file."""
    if len(record) < _END_BYTES:
        return
    length, offset = struct.unpack("<II", record[12:20])
    yield offset
    yield place - length
    starts = {place - _LOCATOR_BYTES - _END64_BYTES}  # Python does not ask the locator
    locator = _read(stream, place - _LOCATOR_BYTES, _LOCATOR_BYTES)
    if locator[:4] != _LOCATOR:
        return
    starts.add(int.from_bytes(locator[8:16], "little"))
    for end in starts:
        wide = _read(stream, end, _END64_BYTES)
        if len(wide) < _END64_BYTES or wide[:4] != _END64:
            continue
        length, offset = struct.unpack("<QQ", wide[40:56])
        yield offset
        yield from (before - length for before in (end, place - 76, place - 20, place))


def _read(stream: BinaryIO, place: int, count: int) -> bytes:
    if not 0 <= place < 1 << 62:  # beyond what a system takes as a place
        return b""
    stream.seek(place)
    return stream.read(count)
