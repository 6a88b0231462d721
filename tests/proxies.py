"""A proxy on loopback: it alone knows where a name is, as inside a company."""

from __future__ import annotations

import base64
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """A proxy for HTTP and, by CONNECT, for HTTPS.

    `names` says where a name really is; with `user` (`name:password`) it serves nobody else.
    """

    def __init__(self, names: dict[str, tuple[str, int]], user: str = "") -> None:
        self.names = names
        self.user = user
        self.refused = 0
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        lead = f"{user}@" if user else ""
        self.url = f"http://{lead}127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Serve until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError, KeyError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536) or b"\r\n\r\n"
            line = head.split(b"\r\n")[0].decode()
            if self._wants_a_user(head):
                self.refused += 1
                wanted = b"Proxy-Authenticate: Basic realm=here\r\nContent-Length: 0\r\n"
                client.sendall(b"HTTP/1.1 407 Who are you\r\n" + wanted + b"\r\n")
                return
            self.asked.append(line)
            method, target, _ = line.split(" ")
            if method == "CONNECT":
                with socket.create_connection(self.names[target]) as server:
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    pump(client, server)
                return
            host = target.split("/")[2]
            path = target.removeprefix(f"http://{host}")
            with socket.create_connection(self.names[host]) as server:
                server.sendall(head.replace(target.encode(), path.encode(), 1))
                pump(client, server)

    def _wants_a_user(self, head: bytes) -> bool:
        told = base64.b64encode(self.user.encode())
        return bool(self.user) and b"\r\nproxy-authorization: basic " + told not in (
            re.sub(
                rb"(?i)\r\nproxy-authorization: basic ", rb"\r\nproxy-authorization: basic ", head
            )
        )

    def close(self) -> None:
        """Serve nobody any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def pump(one: socket.socket, two: socket.socket) -> None:
    """Carry bytes both ways until one side has ended."""
    while True:
        for ready in select.select([one, two], [], [], 30)[0]:
            block = ready.recv(65536)
            if not block:
                return
            (two if ready is one else one).sendall(block)


@contextmanager
def proxy(names: dict[str, tuple[str, int]], user: str = "") -> Iterator[Proxy]:
    """A proxy at work."""
    made = Proxy(names, user)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.close()
