"""The live page on loopback: who may see it, and how it is told what changes.

Each request needs the token of this server, and a Host that is ours: a page of the web whose name
leads to 127.0.0.1 has another. The token stands in the address alone: a cookie would be sent to
every server of this host, whatever its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qs

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comfyfix import templates
from comfyfix.dashboard.follow import Follow, Shown
from comfyfix.dashboard.page import page

LOOK_SECONDS = 0.1
"""How often a journal is looked at."""
ALIVE_SECONDS = 15.0
"""How often a viewer hears something, so that a lost connection is noticed."""
VIEWERS_MAX = 100
BEHIND_MAX = 200
"""Changes that are kept for a viewer who is behind; who has missed more gets all anew."""
BODY_MAX = 4_096
"""Bytes of an order."""
CONNECTIONS_MAX = 256
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}

Order = Callable[[bytes], str]
"""Does what an order says; returns what went wrong, in words, empty for nothing. May take long."""


class Feed:
    """What has changed, for all who look: made once, however many these are."""

    def __init__(self, follow: Follow) -> None:
        self._follow = follow
        self._recent: deque[bytes] = deque(maxlen=BEHIND_MAX)
        self._count = 0
        self._snapshot: tuple[int, bytes] = (-1, b"")
        self._more = asyncio.Event()
        self.viewers = 0
        self.closing = False

    async def run(self) -> None:
        """Look again and again."""
        while True:
            shown = self._follow.look()
            if shown is not None:
                self._recent.append(_message(shown))
                self._count += 1
                self._wake()
            await asyncio.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Let all viewers go."""
        self.closing = True
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    async def messages(self) -> AsyncIterator[bytes]:
        """All of it, then what changes."""
        self.viewers += 1
        try:
            seen = self._count
            yield self._all()
            while not self.closing:
                more = self._more
                if seen == self._count:
                    try:
                        await asyncio.wait_for(more.wait(), ALIVE_SECONDS)
                    except TimeoutError:
                        yield b":\n\n"
                    continue
                missed, seen = self._count - seen, self._count
                if missed > len(self._recent):
                    yield self._all()
                else:
                    yield b"".join(list(self._recent)[-missed:])
        finally:
            self.viewers -= 1

    def _all(self) -> bytes:
        if self._snapshot[0] != self._count:
            self._snapshot = (self._count, _message(self._follow.whole()))
        return self._snapshot[1]


class Guard:
    """Lets nobody through who has no token, or comes from another page."""

    def __init__(self, app: ASGIApp, feed: Feed, token: str, port: int) -> None:
        self._app, self._token, self.feed = app, token, feed
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # uvicorn refuses what nobody accepts

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        code = self._refusal(scope)
        app = self._app if code is None else PlainTextResponse("", code)
        await app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> int | None:
        """The status of who is refused, or None."""
        headers = Headers(scope=scope)
        if any(len(headers.getlist(name)) > 1 for name in ("host", "origin")):
            return 400
        host, origin = headers.get("host", ""), headers.get("origin")
        if host.lower() not in self._hosts:
            return 421
        if (origin is not None or scope["method"] == "POST") and origin != f"http://{host}":
            return 403
        if not {"none", "same-origin"}.issuperset(headers.getlist("sec-fetch-site")):
            return 403
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return None if secrets.compare_digest(token.encode(), self._token.encode()) else 403


def _message(shown: Shown) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(shown)


def app(follow: Follow, token: str, port: int, order: Order | None) -> Guard:
    """The pages; `order` takes orders, None where none are taken."""
    feed = Feed(follow)

    async def events(_: Request) -> Response:
        if feed.viewers >= VIEWERS_MAX:
            return PlainTextResponse("", 503)
        return StreamingResponse(feed.messages(), media_type="text/event-stream")

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        looking = asyncio.create_task(feed.run())
        try:
            yield
        finally:
            looking.cancel()

    style = templates.text("report/page.css") + templates.text("dashboard/page.css")
    routes = [
        _fixed("/", page(token, control=order is not None), "text/html"),
        _fixed("/page.css", style, "text/css"),
        _fixed("/page.js", templates.text("dashboard/page.js"), "text/javascript"),
        Route("/events", events),
        _taking(order),
    ]
    return Guard(Starlette(routes=routes, lifespan=lifespan), feed, token, port)


def _fixed(path: str, text: str | bytes, kind: str) -> Route:
    """What is the same for all who ask."""

    async def answer(_: Request) -> Response:
        return Response(text, media_type=f"{kind}; charset=utf-8")

    return Route(path, answer)


def _taking(order: Order | None) -> Route:
    """Where orders are taken, if they are."""

    async def ordered(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_MAX:
                return PlainTextResponse("", 413)
        if order is None:
            return PlainTextResponse("", 404)
        wrong = await asyncio.to_thread(order, body)
        answer = msgspec.json.encode({"wrong": wrong})
        return Response(answer, 409 if wrong else 200, media_type="application/json")

    return Route("/control", ordered, methods=["POST"])


def bound(port: int) -> socket.socket:
    """A socket of loopback alone; 0: a free port. Raises OSError."""
    return socket.create_server(("127.0.0.1", port))


class Server(uvicorn.Server):
    """Serves until it is told to stop; then viewers are let go at once."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__(
            uvicorn.Config(
                guard, log_config=None, access_log=False, server_header=False, date_header=False,
                lifespan="on", ws="none", http="h11", loop="asyncio",
                limit_concurrency=CONNECTIONS_MAX, timeout_keep_alive=5,
                timeout_graceful_shutdown=2, h11_max_incomplete_event_size=16_384,
                proxy_headers=False,
            )
        )  # fmt: skip

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._guard.feed.close()
        await super().shutdown(sockets)
