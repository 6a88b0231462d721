"""A connection from which no more is taken than is wanted: what is not read waits at its sender."""

from __future__ import annotations

import asyncio
import contextlib
import socket

WRITTEN_MAX = 1 << 20
"""Bytes that wait to be sent before the next are asked for."""
AHEAD_SECONDS = 0.05
"""How much may wait in the system to be read: what comes in this time, and what is on the way."""
ROOM_MIN, ROOM_MAX = 32 << 10, 208 << 10
"""Bytes: with less a line of large packets stands still; more may not be asked for everywhere."""


class Faucet(asyncio.BufferedProtocol):
    """A server's end of a tunnel. asyncio's own streams read ahead, half a megabyte of each."""

    def __init__(self, size: int) -> None:
        """`size` is how many bytes come at a time, at the most.

        `away` is for who connects: how many seconds a packet takes there and back.
        """
        self._buffer = memoryview(bytearray(size))
        self._kept = b""
        self._came: asyncio.Future[int] | None = None
        self._over: Exception | bool = False
        self._bound = False
        self.away = 0.0
        self.transport: asyncio.Transport

    async def read(self) -> bytes:
        """What comes next; nothing at its end. Raises OSError."""
        if self._kept:
            kept, self._kept = self._kept, b""
            return kept
        if isinstance(self._over, Exception):
            raise self._over
        if self._over:
            return b""
        self._came = asyncio.get_running_loop().create_future()
        self.transport.resume_reading()
        return bytes(self._buffer[: await self._came])

    async def read_head(self, most: int) -> bytes:
        """What comes up to an empty line; less at its end, or of a longer one. Raises OSError."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) <= most and (piece := await self.read()):
            head += piece
        head, line, self._kept = head.partition(b"\r\n\r\n")
        return head + line

    def bound(self, rate: float) -> None:
        """Let little wait in the system, where so many bytes a second are to come at the most.

        A line that is so long that the bound would slow it is left to the system, which begins
        with little and gives a line the more the longer it is.
        """
        on_the_way = rate * 2 * self.away
        if on_the_way > ROOM_MAX and not self._bound:
            return
        self._bound = True
        room = min(max(int(rate * AHEAD_SECONDS + on_the_way), ROOM_MIN), ROOM_MAX)
        line = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it may have ended
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)

    async def write(self, data: bytes) -> None:
        """Send; waits where too much waits to be sent."""
        self.transport.write(data)
        while self.transport.get_write_buffer_size() > WRITTEN_MAX:
            await asyncio.sleep(0.01)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for type checkers
        self.transport = transport
        transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio gives it
        """Where bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes are there; no more until they are asked for."""
        self.transport.pause_reading()
        self._tell(nbytes)

    def eof_received(self) -> bool:
        """There are no more."""
        self._over = True
        self._tell(0)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It has broken, or we have closed it."""
        self._over = self._over or exc or True
        if self._came and not self._came.done():
            if exc:
                self._came.set_exception(exc)
            else:
                self._came.set_result(0)

    def _tell(self, count: int) -> None:
        if self._came and not self._came.done():
            self._came.set_result(count)
