"""A loopback server that speaks no HTTP of its own: every answer is the bytes that a test gives.

What `http.server` would never say has to be said here: a head without an end, a byte a second, a
connection that breaks off wherever the test wants it to.
"""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from tests.faults.serving import Serving

BLOCK = b"\0" * (1 << 18)
HELLO = b"\x16\x03"  # of a client that wants TLS; it is answered with what is none
MOST = 1 << 30  # bytes of one answer; whoever takes as much has no bound


class Then(Enum):
    """What else than sending can be done."""

    BREATHE = "a second passes"
    HOLD = "nothing more is said, until the server closes"
    RESET = "the connection is reset"


Step = bytes | Then


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; `number` counts those for the same path, whatever its query."""

    path: str
    start: int
    number: int
    base: str


Answer = Callable[[Ask], Iterator[Step]]


class Raw(Serving, socketserver.ThreadingTCPServer):
    """Answers one request per connection; use as a context manager."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.tls = tls
        self.asked: dict[str, int] = {}
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def url(self) -> str:
        """The base address."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    def ask(self, head: bytes) -> Ask:
        """Read a request."""
        path = head.split(b" ")[1].decode()
        found = re.search(rb"\r\nRange: bytes=(\d+)-", head)
        key = path.partition("?")[0]
        with self.lock:
            self.asked[key] = self.asked.get(key, 0) + 1
            return Ask(path, int(found[1]) if found else 0, self.asked[key], self.url)


class _Connection(socketserver.BaseRequestHandler):
    server: Raw

    def handle(self) -> None:
        line: socket.socket = self.request
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self.server.tls:
                line = stack.enter_context(self.server.tls.wrap_socket(line, server_side=True))
            head = b""
            while b"\r\n\r\n" not in head:
                block = line.recv(1 << 16)
                if not block:
                    return
                head += block
                if head.startswith(HELLO):
                    line.sendall(b"\0\xff" * 500)
                    return
            self._say(line, self.server.answer(self.server.ask(head)))

    def _say(self, line: socket.socket, steps: Iterator[Step]) -> None:
        sent = 0
        for step in steps:
            if self.server.closing.is_set() or sent > MOST:
                return
            if isinstance(step, bytes):
                line.sendall(step)
                sent += len(step)
            elif step is Then.BREATHE:
                self.server.closing.wait(1)
            elif step is Then.HOLD:
                self.server.closing.wait()
            else:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return


def head(status: str, *lines: str) -> bytes:
    """The head of an answer; one connection is for one answer."""
    text = "\r\n".join((f"HTTP/1.1 {status}", "Connection: close", *lines))
    return f"{text}\r\n\r\n".encode("latin-1")


def whole(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    """A whole answer, its length told."""
    return head(status, f"Content-Length: {len(body)}", *lines) + body


def drip(data: bytes) -> Iterator[Step]:
    """A byte a second."""
    for byte in data:
        yield bytes([byte])
        yield Then.BREATHE


def for_ever(piece: bytes) -> Iterator[Step]:
    """The same again and again."""
    while True:
        yield piece


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)
