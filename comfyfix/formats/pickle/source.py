"""The bytes of a pickle, read on and on, from any stream that can pass over bytes."""

from __future__ import annotations

from typing import BinaryIO

from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.flaws import Flaw

CHUNK = 1 << 16
VALUE_MAX = 128_000_000
"""Bytes of one value inside the pickle itself."""
LINE_MAX = 8192
"""Bytes of a line that are kept; no name and no number is longer."""
ANY_SIZE = 1 << 62
"""The size of what is packed: how large it is shows only at its end."""


class Source:
    """A part of a file that is read on and on; `start` is its place in the file, for messages."""

    def __init__(self, stream: BinaryIO, size: int, start: int = 0) -> None:
        self.stream = stream
        self.size = size
        self.start = start
        self.complaint: Refused | None = None
        self.frame_end = 0
        self.mark = 0  # where the instruction is that was taken last
        self._base = 0  # where the buffer begins
        self._buffer = b""
        self._index = 0
        self._is_cut = False

    @property
    def at(self) -> int:
        """How many bytes have been taken."""
        return self._base + self._index

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self.size - self.at

    @property
    def has_more(self) -> bool:
        """Whether anything follows what has been taken."""
        return self._index < len(self._buffer) or bool(self.left and self.stream.read(1))

    def require_more(self) -> None:
        """Refuse a line that the end of the file has cut. Raises Refused."""
        if self._is_cut and self.complaint is not None:
            raise self.complaint

    def complain(self, flaw: Flaw) -> None:
        """Remember what stops one reader, but perhaps not another."""
        if self.complaint is None:
            self.complaint = damaged(flaw, place=self.start + self.at)

    def instruction(self) -> int:
        """Take the byte of the next instruction. Raises Refused at the end."""
        index = self._index
        if index >= len(self._buffer):
            self._fill(1)
            index = 0
        self.mark = self._base + index
        self._index = index + 1
        return self._buffer[index]

    def byte(self) -> int:
        """Take a byte. Raises Refused at the end."""
        index = self._index
        if index >= len(self._buffer):
            self._fill(1)
            index = 0
        self._index = index + 1
        return self._buffer[index]

    def take(self, count: int) -> bytes:
        """Take so many bytes. Raises Refused at the end."""
        index = self._index
        end = index + count
        if self.frame_end:
            self._require_within(self._base + index, self._base + end)
        if end > len(self._buffer):
            self._fill(count)
            index, end = 0, count
        self._index = end
        return self._buffer[index:end]

    def number(self, width: int) -> int:
        """Take an unsigned number."""
        return int.from_bytes(self.take(width), "little")

    def skip(self, count: int) -> None:
        """Pass over bytes without reading them."""
        self._require_within(self.at, self.at + count)
        ready = len(self._buffer) - self._index
        if count <= ready:
            self._index += count
            return
        if count > self.left:
            raise self._cut()
        self.stream.seek(count - ready, 1)
        self._base = self.at + count
        self._buffer = b""
        self._index = 0

    def line(self) -> bytes:
        """Take a line, without its end; of a very long one the beginning."""
        begin = b""
        passed, start = 0, self.at
        while (end := self._buffer.find(b"\n", self._index)) < 0:
            ready = self._buffer[self._index :]
            begin = (begin + ready)[:LINE_MAX]
            passed += len(ready)
            if passed > VALUE_MAX:
                raise unsafe(Flaw.PICKLE_LONG_LINE)
            self._index = len(self._buffer)
            if not self._more(1):
                self._require_within(start, self.at)
                return self._last_line(begin)
        line = (begin + self._buffer[self._index : end])[:LINE_MAX]
        self._index = end + 1
        self._require_within(start, self.at)
        return line

    def _last_line(self, line: bytes) -> bytes:
        """Take a line that the end of the file cuts: Python's own reader cuts off a letter."""
        if not line:
            raise self._cut()
        self.complaint = self.complaint or self._cut()
        self._is_cut = True
        return line[:-1]

    def open_frame(self, length: int) -> None:
        """Note a part that the pickle announces; it begins here. Raises Refused inside another."""
        if self.at < self.frame_end:
            raise unsafe(Flaw.PICKLE_FRAME_IN_FRAME)
        self.frame_end = self.at + length

    def _require_within(self, start: int, end: int) -> None:
        """Refuse to cross the end of a part: Python's reader in C drops what is left of it."""
        if start < self.frame_end < end:
            raise unsafe(Flaw.PICKLE_FRAME_CROSSED)

    def _fill(self, count: int) -> None:
        if not self._more(count):
            raise self._cut()

    def _more(self, count: int) -> bool:
        """Read on until so many bytes are at hand; tell whether they are."""
        kept = self._buffer[self._index :]
        self._base = self.at
        room = self.size - self._base - len(kept)
        more = self.stream.read(min(max(CHUNK, count - len(kept)), room)) if room > 0 else b""
        self._buffer, self._index = kept + more, 0
        return len(self._buffer) >= count

    def _cut(self) -> Refused:
        if self.complaint is not None:
            return self.complaint
        return damaged(Flaw.CUT_SHORT, place=self.start + self.at)
