"""A dashboard that is served on loopback, in a thread of the test."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from comfyfix.dashboard.follow import Follow
from comfyfix.dashboard.orders import Orders
from comfyfix.dashboard.server import Order, Server, app, bound
from comfyfix.state.layout import Layout

TOKEN = "a-token-of-a-test"


@dataclass(frozen=True)
class Served:
    """Where it is."""

    port: int

    @property
    def address(self) -> str:
        """What is opened in a browser."""
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask for something as no browser would have to; returns status, headers and body."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            line.request(method, path, body, named)
            answer = line.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read()
        finally:
            line.close()


@contextmanager
def served(output: Path, *, control: bool = False, order: Order | None = None) -> Iterator[Served]:
    """Serve the page of the project with this output."""
    layout = Layout(output)
    follow = Follow(layout)
    orders = order or (Orders(layout, follow) if control else None)
    with bound(0) as listening:
        port = listening.getsockname()[1]
        server = Server(app(follow, TOKEN, port, orders))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Served(port)
        finally:
            server.should_exit = True
            thread.join()
            follow.close()
