"""A window on a part of a file, whose end is never crossed whatever a length field says."""

from __future__ import annotations

from typing import BinaryIO

from comfyfix.formats.finding import Refused, damaged
from comfyfix.formats.flaws import Flaw


class Window:
    """Reads `size` bytes of a stream from where it stands; nothing is read that is not asked for.

    The stream must not be moved by anyone else meanwhile. Every read past the end is one of a file
    that is cut short.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size
        self.at = 0

    @property
    def left(self) -> int:
        """How many bytes of the window are still to come."""
        return self.size - self.at

    def need(self, count: int) -> None:
        """Make sure that so many bytes are left. Raises Refused."""
        if count > self.size - self.at:
            raise self._cut()

    def take(self, count: int) -> bytes:
        """Read exactly so many bytes. Raises Refused."""
        self.need(count)
        data = self.stream.read(count)
        if len(data) != count:
            raise self._cut()
        self.at += count
        return data

    def skip(self, count: int) -> None:
        """Pass over bytes without reading them. Raises Refused."""
        self.need(count)
        self.stream.seek(count, 1)
        self.at += count

    def number(self, count: int, *, big: bool = False) -> int:
        """Read an unsigned integer of so many bytes. Raises Refused."""
        return int.from_bytes(self.take(count), "big" if big else "little")

    def _cut(self) -> Refused:
        return damaged(Flaw.CUT_SHORT, place=self.at)
