"""A loopback server that does what it is told: every answer is a function of what was asked."""

from __future__ import annotations

import http.server
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.serving import Serving

BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; names of headers are in lower case. `ip` is the address it came to."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    client_port: int = 0
    ip: str = ""

    @property
    def range(self) -> tuple[int, int] | None:
        """The first and the last byte that Range asks for; None without a Range that we know."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        return (int(found[1]), int(found[2]) if found[2] else 1 << 62) if found else None

    @property
    def start(self) -> int | None:
        """The first byte that Range asks for; None without a Range that we know."""
        return self.range[0] if self.range else None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, faults included. Status 0 resets the connection without a word.

    An empty header is not sent, Content-Length neither.
    `cut` bytes of the body are sent, then the connection ends, or with `stall` says no more
    until the server closes. `rate` is in bytes per second of this one connection.
    """

    status: int = 200
    body: bytes | memoryview = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: bool = False
    rate: float = 0.0


@dataclass(slots=True)
class Seen:
    """One request with its answer; `sent` counts the bytes of the body so far."""

    ask: Ask
    status: int
    at: float
    sent: int = 0


Answer = Callable[[Ask], Reply]


class Server(Serving, http.server.ThreadingHTTPServer):
    """Serves one function, with TLS where a context is given; use as a context manager."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        answer: Answer,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self.scheme = "https" if tls else "http"
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        if tls:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def port(self) -> int:
        """The port it listens at."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The base address."""
        return f"{self.scheme}://{self.server_address[0]!s}:{self.port}"

    def count(self, part: str, method: str = "GET") -> int:
        """How many requests had this in their path."""
        with self.lock:
            return sum(part in s.ask.path and s.ask.method == method for s in self.seen)

    def sent(self, part: str = "/cdn/") -> int:
        """How many bytes of bodies were sent for paths with this in them."""
        with self.lock:
            return sum(s.sent for s in self.seen if part in s.ask.path)

    def note(self, ask: Ask, status: int) -> Seen:
        """Remember a request."""
        seen = Seen(ask, status, time.monotonic())
        with self.lock:
            self.seen.append(seen)
        return seen


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; `Server.seen` keeps the requests."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_CONNECT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        ask = Ask(self.command, self.path, headers, self.client_address[1],
                  str(self.connection.getsockname()[0]))  # fmt: skip
        reply = self.server.answer(ask)
        seen = self.server.note(ask, reply.status)
        try:
            self._send(reply, seen)
        except OSError:
            self.close_connection = True

    def _send(self, reply: Reply, seen: Seen) -> None:
        if reply.status == 0:
            self._reset()
            return
        self.send_response(reply.status)
        for name, value in ({"Content-Length": str(len(reply.body))} | dict(reply.headers)).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        body = memoryview(reply.body)
        end = len(body) if reply.cut is None else min(reply.cut, len(body))
        for begin in range(0, end, BLOCK):
            block = body[begin : min(begin + BLOCK, end)]
            self.wfile.write(block)
            seen.sent += len(block)
            if reply.rate and self.server.closing.wait(len(block) / reply.rate):
                break
        if reply.stall:
            self.server.closing.wait()
        if reply.cut is not None:
            self.close_connection = True

    def _reset(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)  # what is closed now is reset, not ended
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
