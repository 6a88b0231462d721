"""What is not read waits at its sender, not here: a sender, too, sees the limit kept."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from comfyfix.net.relay.faucet import AHEAD_SECONDS, ROOM_MAX, ROOM_MIN, Faucet
from comfyfix.net.relay.pace import Bucket, sharing

LOCAL = "127.0.0.1"
READ = 32 << 20
"""Bytes: after as many the system has learned that much may come."""


class Sender:
    """Sends to each who connects for as long as it is taken; `stuck` once nothing more is."""

    def __init__(self) -> None:
        self.sent = 0
        self.stuck = threading.Event()
        self._listener = socket.create_server((LOCAL, 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._one, args=(line,), daemon=True).start()

    def _one(self, line: socket.socket) -> None:
        line.settimeout(0.5)
        with line:
            try:
                while True:
                    self.sent += line.send(bytes(1 << 14))
            except TimeoutError:
                self.stuck.set()
                with suppress(OSError):
                    line.recv(1)
            except OSError:
                pass

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender()
    yield made
    made.close()


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Faucet]]:
    loop = asyncio.get_running_loop()
    ends = [
        await loop.create_connection(lambda: Faucet(1 << 18), LOCAL, port) for _ in range(count)
    ]
    try:
        yield [faucet for _, faucet in ends]
    finally:
        for line, _ in ends:
            line.abort()
        await asyncio.sleep(0)  # they are closed then


def room(faucet: Faucet) -> int:
    """What the system lets wait there, as Linux counts it."""
    line = faucet.transport.get_extra_info("socket")
    return int(line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)) // 2


def test_little_waits_here_however_fast_it_could_come(sender: Sender) -> None:
    async def waiting() -> int:
        read = 0
        async with connected(sender.port, 1) as (faucet,):
            with sharing((Bucket(1000),), faucet):
                while read < READ:
                    read += len(await faucet.read())
                await asyncio.to_thread(sender.stuck.wait, 20)
                assert sender.stuck.is_set()
        return sender.sent - read

    # Linux gives twice the room that is asked for, and the sender has some of its own.
    assert asyncio.run(waiting()) < 4 * ROOM_MIN


def test_each_of_those_at_it_has_its_share_of_the_room(sender: Sender) -> None:
    everything, host = Bucket(2_000_000), Bucket(1_000_000)

    async def rooms() -> list[list[int]]:
        seen = []
        async with connected(sender.port, 3) as (one, other, third):
            with sharing((everything,), one):
                seen.append([room(one)])
                with sharing((everything,), other):
                    seen.append([room(one), room(other)])
                    with sharing((host, everything), third):
                        seen.append([room(one), room(other), room(third)])
                seen.append([room(one)])
                with sharing((host, everything), third):
                    seen.append([room(one), room(third)])
        return seen

    most, half = int(2_000_000 * AHEAD_SECONDS), int(1_000_000 * AHEAD_SECONDS)
    third = max(ROOM_MIN, int(2_000_000 * AHEAD_SECONDS / 3))

    told = asyncio.run(rooms())
    assert told == [[most], [half, half], [third] * 3, [most], [half, half]]


@pytest.mark.parametrize(
    ("rate", "away", "expected"),
    [
        (1_000, 0.0, ROOM_MIN),
        (100_000_000, 0.0, ROOM_MAX),
        (1_000_000, 0.01, 70_000),
        (1_000_000, 0.1, ROOM_MAX),
        (1_000_000, 0.2, None),  # the bound would slow it
    ],
)
def test_a_long_line_has_room_for_what_is_on_the_way(
    sender: Sender, rate: int, away: float, expected: int | None
) -> None:
    async def told() -> tuple[int, int]:
        async with connected(sender.port, 1) as (faucet,):
            before, faucet.away = room(faucet), away
            faucet.bound(rate)
            return before, room(faucet)

    before, now = asyncio.run(told())
    assert now == (before if expected is None else expected)


def test_once_bound_a_line_stays_so_when_its_share_grows(sender: Sender) -> None:
    async def told() -> int:
        async with connected(sender.port, 1) as (faucet,):
            faucet.away = 0.05
            faucet.bound(1_000_000)
            faucet.bound(100_000_000)
            return room(faucet)

    assert asyncio.run(told()) == ROOM_MAX
