"""A loopback hub: speaks the APIs of the Hub, of Civitai and of OpenAI, over small valid files.

It serves a table of repositories and models. The program can't tell it from the real services
but by its address. Faults and delays are switched on by tests and by the demo, never by a request.
"""

from __future__ import annotations

import threading

from comfyfix.demo.civitai_versions import CivitaiVersion
from comfyfix.demo.server import Server
from comfyfix.demo.shelf import Repository, sha256
from comfyfix.demo.stock import Fault, Seen, Stock

_CLOSING_SECONDS = 0.01  # until a server sees that it is to end

__all__ = ["CivitaiVersion", "Fault", "Hub", "Repository", "Seen", "sha256"]


class Hub(Stock):
    """The server; use as a context manager, or `start` and `close`."""

    def __init__(self) -> None:
        super().__init__()
        self._server, self._storage = Server(self), Server(self)
        self.url, self.storage_url = self._server.url, self._storage.url
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(_CLOSING_SECONDS,), daemon=True)
            for server in (self._server, self._storage)
        ]

    def start(self) -> Hub:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()
        return self

    def close(self) -> None:
        """Stop serving."""
        self.closing.set()
        for server in (self._server, self._storage):
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Hub:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
