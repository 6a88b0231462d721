"""A relay on loopback by which the scripts of a run fetch, so that all keep one limit together.

It is a proxy: what goes by https stays between curl and the server, and the relay sees bytes that
it can't read. It serves only who knows a secret that it has made for one script, and only while
that script runs; it listens only meanwhile. It goes by the user's own proxy where there is one, and
holds scripts to what they may ask, since behind a proxy they can't see where a name leads.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from comfyfix.net.relay.asked import Asked, place_of
from comfyfix.net.relay.dialling import Allowed, Place, Unconnected, dial
from comfyfix.net.relay.faucet import Faucet
from comfyfix.net.relay.pace import Bucket, Pace, portion, sharing

LOOPBACK = "127.0.0.1"
USER = "comfyfix"
HEAD_MAX = 64 << 10  # bytes
HEAD_SECONDS = 10.0
"""How long one may take to say what it wants: another user of the machine may say nothing."""
STRANGERS_MAX = 64
"""Connections that have not said yet who they are; beyond that the oldest is given up."""
LINGER_SECONDS = 5.0
"""How long one may take to notice that all has been said."""
VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class Pass:
    """What one script may do: its secret, where it may go, and what it is counted for."""

    def __init__(self, allowed: Allowed, hosts: frozenset[str]) -> None:
        self.allowed, self.hosts = allowed, hosts
        self.secret = secrets.token_urlsafe(32)
        self.tasks: set[asyncio.Task[None]] = set()
        credentials = base64.b64encode(f"{USER}:{self.secret}".encode()).decode()
        self.shown = f"Basic {credentials}".encode()

    def end(self) -> None:
        """End what goes on for it; in the loop of the relay."""
        for task in self.tasks:
            task.cancel()


class Relay:
    """The limits of a run, and the relay that keeps them while scripts need it."""

    def __init__(self, limits: Mapping[str, int], environ: Mapping[str, str]) -> None:
        """`limits` as `Pace` takes them; `environ` names the user's own proxy. Nothing begins."""
        self._pace, self._environ = Pace(limits), environ
        self._lock = threading.Lock()
        self._passes: list[Pass] = []
        self._at_work: _AtWork | None = None

    @contextlib.contextmanager
    def lent(
        self, env: Mapping[str, str], url: str, endpoint: str, mirrors: Sequence[str] = ()
    ) -> Iterator[dict[str, str]]:
        """The environment of a script that fetches an address, changed so that it goes by here.

        `endpoint` is the service that the user has set for it, empty where it is fetched as it is.
        Its limit is that of either host, wherever these send it; what comes from one of the
        `mirrors` keeps that of the mirror alone. Raises OSError.
        """
        own = place_of(endpoint) if endpoint else None
        names = (urlsplit(url).hostname, own and own.host)
        allowed = Allowed(own, frozenset(map(place_of, mirrors)))
        mine = Pass(allowed, frozenset(name for name in names if name))
        port = self._enter(mine)
        try:
            kept = {name: value for name, value in env.items() if name.lower() not in VARIABLES}
            address = f"http://{USER}:{mine.secret}@{LOOPBACK}:{port}"
            yield {**kept, "http_proxy": address, "https_proxy": address}
        finally:
            self._leave(mine)

    def _enter(self, mine: Pass) -> int:
        with self._lock:
            if self._at_work is None:
                self._at_work = _AtWork(self._pace, self._environ, self._passes)
            self._passes.append(mine)
            return self._at_work.port

    def _leave(self, mine: Pass) -> None:
        with self._lock:
            self._passes.remove(mine)
            last = None if self._passes else self._at_work
            if last:
                self._at_work = None
            elif self._at_work:
                self._at_work.end(mine)
        if last:
            last.close()


class _AtWork:
    """The relay while it listens: an event loop in a thread of its own."""

    def __init__(self, pace: Pace, environ: Mapping[str, str], passes: list[Pass]) -> None:
        """Listen. Raises OSError."""
        self._pace, self._environ, self._passes = pace, environ, passes
        self._strangers: dict[asyncio.Task[None], None] = {}
        self.port = 0
        self._failed: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._listen()), name="relay", daemon=True
        )
        self._thread.start()
        self._begun.wait()
        if self._failed:
            raise self._failed

    def end(self, mine: Pass) -> None:
        """End what goes on for a script that has ended."""
        if self._loop:
            self._loop.call_soon_threadsafe(mine.end)

    def close(self) -> None:
        """Listen no more, and end all that goes on."""
        if self._loop and self._over:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(LINGER_SECONDS)

    async def _listen(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._one, LOOPBACK, 0, limit=HEAD_MAX)
        except OSError as error:
            self._failed = error
            self._begun.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._begun.set()
        await self._over.wait()
        server.close()  # what goes on is ended with the loop

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            await self._serve(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # one of the two has gone away, or speaks another language
        except asyncio.CancelledError:
            pass  # we have ended it; Python 3.11 would tell that as an error
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for type checkers
        if len(self._strangers) >= STRANGERS_MAX:
            next(iter(self._strangers)).cancel()
        self._strangers[task] = None
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = Asked(await reader.readuntil(b"\r\n\r\n"))
        finally:
            self._strangers.pop(task, None)
        mine = self._known(head)
        if mine is None:
            await _answer(writer, 407, f'Proxy-Authenticate: Basic realm="{USER}"\r\n')
            return
        if head.place is None:
            await _answer(writer, 405)
            return
        mine.tasks.add(task)
        try:
            await self._carry(head, head.place, mine, reader, writer)
        finally:
            mine.tasks.discard(task)

    def _known(self, head: Asked) -> Pass | None:
        """Whose secret it tells."""
        shown = head.told("proxy-authorization").encode()
        found = [each for each in tuple(self._passes) if hmac.compare_digest(shown, each.shown)]
        return found[0] if found else None

    async def _carry(
        self, head: Asked, place: Place, mine: Pass,
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        hosts = frozenset[str]() if place in mine.allowed.mirrors else mine.hosts
        buckets = self._pace.of({*hosts, place.host})
        try:
            line = await dial(place, mine.allowed, self._environ, portion(buckets))
        except Unconnected as error:
            await _answer(writer, error.status)
            return
        faucet = line.faucet
        try:
            with sharing(buckets, faucet):
                if place.plain:
                    await faucet.write(head.to_hand_on(line))
                    up = asyncio.create_task(_read_all(reader))  # one question a connection
                else:
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    up = asyncio.create_task(_ask(reader, faucet))
                down = asyncio.create_task(_bring(faucet, writer, buckets))
                await _both(up, down, writer)
        finally:
            faucet.transport.abort()


async def _answer(writer: asyncio.StreamWriter, status: int, headers: str = "") -> None:
    text = f"HTTP/1.1 {status} comfyfix\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    writer.transport.set_write_buffer_limits(0)
    writer.write(text.encode())
    await writer.drain()
    writer.write_eof()


async def _bring(faucet: Faucet, writer: asyncio.StreamWriter, buckets: tuple[Bucket, ...]) -> None:
    """Hand bytes on until there are no more, as fast as the limits allow."""
    writer.transport.set_write_buffer_limits(0)  # what is slow to take them has to slow us
    while data := await faucet.read():
        for bucket in buckets:
            await bucket.take(len(data))
        writer.write(data)
        await writer.drain()


async def _ask(reader: asyncio.StreamReader, faucet: Faucet) -> None:
    while data := await reader.read(HEAD_MAX):
        await faucet.write(data)


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(HEAD_MAX):
        pass


async def _both(
    up: asyncio.Task[None], down: asyncio.Task[None], writer: asyncio.StreamWriter
) -> None:
    """See both ways to their end: who asked has gone, or all is told."""
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        if down.done() and not down.exception() and writer.can_write_eof():
            writer.write_eof()
            await asyncio.wait({up}, timeout=LINGER_SECONDS)
    finally:
        up.cancel()
        down.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
