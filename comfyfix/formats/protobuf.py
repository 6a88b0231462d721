"""Protocol buffers: the fields of a message, taken only where every reader takes them alike.

Readers differ in what they make of a number that is longer than it need be: one cuts the number of
a field to 32 bits and finds a field there that another one rejects or passes over. So each tag and
each length must be written in its shortest form, and fit.
"""

from __future__ import annotations

from typing import BinaryIO

from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.flaws import Flaw

VARINT, WIDE, BYTES, NARROW = 0, 1, 2, 5
_GROUPS = (3, 4)
LENGTH_MAX = (1 << 31) - 1  # bytes of one field, in every reader
_TAG_MAX = (1 << 32) - 1  # a field's number has 29 bits, its type 3
_VALUE_BYTES = 10
_LAST_MAX = 1  # of the tenth byte of a number of 64 bits
_SLAB = 8192  # bytes read at once; most of what follows is passed over


class Fields:
    """A file of `size` bytes, read from its first byte; `at` tells how far.

    Every read ends in `Refused` where the bytes do not hold what it asks for.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._base = 0  # where the slab begins in the file
        self._slab = b""
        self.at = 0

    def tag(self) -> int:
        """Read what stands before a field: its number times 8, and its type."""
        place = self.at - self._base
        if place < len(self._slab) and 8 <= (tag := self._slab[place]) < 0x80:  # noqa: PLR2004 - one byte
            self.at += 1
        else:
            tag = self._short(_TAG_MAX, Flaw.PROTOBUF_ODD_NUMBER)
        wire = tag & 7
        if wire in (VARINT, BYTES) and tag >= 8:  # noqa: PLR2004 - most of them; below is field 0
            return tag
        if tag < 8 or wire > NARROW:  # noqa: PLR2004 - field 0
            raise damaged(Flaw.PROTOBUF_NO_FIELD, place=self.at)
        if wire in _GROUPS:
            raise unsafe(Flaw.PROTOBUF_GROUP, place=self.at)
        return tag

    def length(self) -> int:
        """Read the length of a field in bytes."""
        place = self.at - self._base
        if place < len(self._slab) and (length := self._slab[place]) < 0x80:  # noqa: PLR2004 - one byte
            self.at += 1
            return length
        return self._short(LENGTH_MAX, Flaw.PROTOBUF_ODD_LENGTH)

    def value(self) -> int:
        """Read a number of up to 64 bits; it may be longer than it need be."""
        value, shift = 0, 0
        for _ in range(_VALUE_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
                if shift == 63 and byte > _LAST_MAX:  # noqa: PLR2004 - 64 bits
                    break
                return value
            shift += 7
        raise unsafe(Flaw.PROTOBUF_LONG_NUMBER, place=self.at)

    def take(self, count: int) -> bytes:
        """Read so many bytes."""
        place = self.at - self._base
        data = self._slab[place : place + count]
        if len(data) != count:
            self._stream.seek(self.at)
            data = self._stream.read(count)
        if len(data) != count:
            raise self._cut()
        self.at += count
        return data

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        if count > self._size - self.at:
            raise self._cut()
        self.at += count

    def _byte(self) -> int:
        place = self.at - self._base
        if place >= len(self._slab):
            self._stream.seek(self.at)
            self._slab = self._stream.read(min(_SLAB, self._size - self.at))
            self._base, place = self.at, 0
            if not self._slab:
                raise self._cut()
        self.at += 1
        return self._slab[place]

    def _short(self, most: int, odd: Flaw) -> int:
        """Read a number of up to `most` that must be written in its shortest form."""
        value = shift = 0
        while (byte := self._byte()) >= 0x80:  # noqa: PLR2004 - the last byte of a number
            value |= (byte & 0x7F) << shift
            shift += 7
            if value > most or shift > 28:  # noqa: PLR2004 - five bytes
                raise unsafe(odd, place=self.at)
        value |= byte << shift
        if value > most or (shift and not byte):
            raise unsafe(odd, place=self.at)
        return value

    def _cut(self) -> Refused:
        return damaged(Flaw.CUT_SHORT, place=self.at)
