"""A window on a part of a file, whose end is never crossed whatever a length field says."""

from __future__ import annotations

from typing import BinaryIO

from comfyfix.formats.finding import damaged


class Window:
    """Reads `size` bytes of a stream from where it stands; nothing is read that is not asked for.

    The stream must not be moved by anyone else meanwhile. `start` is the position in the file of
    the window's first byte, for messages. Every read past the end ends in "it is cut short".
    """

    def __init__(self, stream: BinaryIO, size: int, start: int = 0) -> None:
        self.stream = stream
        self.size = size
        self.start = start
        self.at = 0

    @property
    def left(self) -> int:
        """How many bytes of the window are still to come."""
        return self.size - self.at

    def need(self, count: int, what: str) -> None:
        """Make sure that so many bytes are left. Raises Refused."""
        if count > self.size - self.at:
            raise damaged(
                f"it is cut short: {what} at byte {self.start + self.at} leads beyond its end"
            )

    def take(self, count: int, what: str = "what begins") -> bytes:
        """Read exactly so many bytes. Raises Refused."""
        self.need(count, what)
        data = self.stream.read(count)
        if len(data) != count:
            raise damaged(f"it is cut short: {what} at byte {self.start + self.at} has no end")
        self.at += count
        return data

    def skip(self, count: int, what: str = "what begins") -> None:
        """Pass over bytes without reading them. Raises Refused."""
        self.need(count, what)
        self.stream.seek(count, 1)
        self.at += count

    def line(self, limit: int) -> bytes:
        """Read up to a newline, which is left off. Raises Refused."""
        data = self.stream.readline(min(limit, self.left))
        self.at += len(data)
        if not data.endswith(b"\n"):
            raise damaged(f"a line of text before byte {self.start + self.at} has no end")
        return data[:-1]

    def number(self, count: int, *, big: bool = False) -> int:
        """Read an unsigned integer of so many bytes. Raises Refused."""
        return int.from_bytes(self.take(count, "a number"), "big" if big else "little")
