"""Machines near the user, and a name server that lies; in a world apart only."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable, Iterator

NAMESERVER = "9.9.9.9"


class Near:
    """Everything that is not public, at the usual ports: counts who connects."""

    def __init__(self, ports: tuple[int, ...] = (80, 443, 8080)) -> None:
        self.reached: list[str] = []
        self._sockets = []
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - in a world of its own
            for port in ports:
                listener = socket.socket(family)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, port))
                listener.listen()
                self._sockets.append(listener)

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                place = connection.getsockname()
                self.reached.append(f"{place[0]}:{place[1]}")
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                connection.close()

    def __enter__(self) -> Near:
        for listener in self._sockets:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._sockets:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    @property
    def private(self) -> list[str]:
        """Connections to addresses that are not public."""
        return [
            place
            for place in self.reached
            if not ipaddress.ip_address(place.rpartition(":")[0]).is_global
        ]


class Loopback443(Near):
    """Port 443 of every address that is not taken by a server of the test."""

    def __init__(self) -> None:
        self.reached = []
        self._sockets = []
        for host in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1",
                     "::1", "fd00::1"):  # fmt: skip
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                self._sockets.append(socket.create_server((host, 443), family=family))
            except OSError:
                self.__exit__()  # left open they would trouble whichever test comes next
                raise


@contextlib.contextmanager
def nameserver(answer: Callable[[int], str]) -> Iterator[list[int]]:
    """A name server that knows one address for every name: `answer` of the number of questions."""
    asked: list[int] = []
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((NAMESERVER, 53))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                question, client = listener.recvfrom(2048)
                end = question.index(b"\0", 12) + 5
                (kind,) = struct.unpack(">H", question[end - 4 : end - 2])
                head = question[:2] + b"\x81\x80\0\x01" + struct.pack(">H", kind == 1) + bytes(4)
                reply = head + question[12:end]
                if kind == 1:
                    asked.append(kind)
                    place = socket.inet_aton(answer(len(asked)))
                    reply += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + place
                listener.sendto(reply, client)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield asked
    finally:
        listener.close()
