"""The loopback hub's server: every request goes to the service whose path it has."""

from __future__ import annotations

import http.server
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from comfyfix.demo.civitai import CivitaiApi
from comfyfix.demo.huggingface import HubApi
from comfyfix.demo.openai import OpenAiApi
from comfyfix.demo.openmodeldb import OpenModelDbApi
from comfyfix.demo.stock import Stock


class Server(http.server.ThreadingHTTPServer):
    """A threaded server on a free port of the loopback address."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hub: Stock) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away in the middle are part of the tests."""


class _Handler(HubApi, CivitaiApi, OpenModelDbApi, OpenAiApi):
    def do_HEAD(self) -> None:  # noqa: N802 - the names that http.server calls
        self._route()

    def do_GET(self) -> None:  # noqa: N802 - the same
        self._route()

    def do_POST(self) -> None:  # noqa: N802 - the same
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self._route()

    def _route(self) -> None:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        try:
            if not (
                self.answers_openai(path)
                or self.answers_openmodeldb(path)
                or self.answers_civitai(path, query)
                or self.answers_hub(path, query)
            ):
                self.json(404, {"error": "not found"})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
