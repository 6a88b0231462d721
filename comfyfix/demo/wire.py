"""What all services of the loopback hub share: requests, JSON, files, and faults on purpose."""

from __future__ import annotations

import http.server
import json
import re
import time
from typing import Any, Protocol
from urllib.parse import unquote

from comfyfix.demo.shelf import sha256
from comfyfix.demo.stock import Fault, Stock

BLOCK = 1 << 16
DRIP_SECONDS = 0.05  # between two bytes
Query = dict[str, list[str]]


class Serves(Protocol):
    """A server that has something to serve."""

    @property
    def hub(self) -> Stock:
        """What there is."""


class Wire(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; the second must not wait
    server: Serves  # type: ignore[assignment] # only what there is to serve is asked of it
    fault: Fault | None = None
    body = b""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; `Hub.seen` keeps the requests."""

    @property
    def hub(self) -> Stock:
        """What there is to serve."""
        return self.server.hub

    @property
    def token(self) -> str:
        """The bearer token of the request, or an empty string."""
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _note(self, status: int) -> None:
        self.hub.note(self.command, unquote(self.path), status, self.token)

    def json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        self.send(
            status,
            json.dumps(value).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )

    def _begin(self, status: int, headers: dict[str, str], length: int) -> None:
        self._note(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Answer with a whole body."""
        self._begin(status, headers, len(body))
        if self.command == "HEAD":
            return
        kind = self.fault.kind if self.fault else ""
        if kind not in ("cut", "stall"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if kind == "stall":
            self.hub.closing.wait()
        self.close_connection = True
        self.connection.close()

    def fails(self, what: str, kind: str) -> bool:
        """Wait and fail as the test has asked; True if the answer is given already."""
        hub = self.hub
        if hub.delays.get(kind):
            time.sleep(hub.delays[kind])
        fault = hub.fault_for(what)
        self.fault = None
        if fault is None or fault.kind in ("cut", "flip", "stall", "drip"):
            self.fault = fault
            return False
        if fault.kind == "reset":
            self._note(0)
            self.close_connection = True
            self.connection.close()
        elif fault.kind == "html":
            self.send(200, b"<!DOCTYPE html><html>Sign in</html>", {"Content-Type": "text/html"})
        elif fault.kind == "expire":
            self.send(403, b"expired", {"Content-Type": "text/plain"})
        else:
            self.json(int(fault.kind), {"error": "on purpose"}, fault.headers)
        return True

    def file(self, data: bytes, **more: str) -> None:
        """A file as a CDN gives it: ranges, If-Range, 416."""
        own = {name.replace("_", "-"): value for name, value in more.items()}
        etag = own.get("ETag") or f'"{sha256(data)[:32]}"'
        start, end, status = 0, len(data), 200
        headers = {"ETag": etag, "Content-Type": "application/octet-stream", **own}
        asked = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range") or "")
        if asked and self.hub.ranges and self.headers.get("If-Range", etag) == etag:
            start, status = int(asked.group(1)), 206
            end = min(end, int(asked.group(2) or end) + 1)
            if start >= len(data):
                self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        self.stream(status, data[start:end], headers)

    def stream(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """A body with the hub's rate, and the fault that this request has."""
        fault = self.fault
        if fault and fault.kind == "flip":
            body = body[:-1] + bytes([body[-1] ^ 0xFF])
        self._begin(status, headers, len(body))
        if self.command == "HEAD":
            return
        half = max(1, len(body) // 2) if fault and fault.kind in ("cut", "stall") else len(body)
        step = 1 if fault and fault.kind == "drip" else BLOCK
        for begin in range(0, half, step):
            block = body[begin : min(begin + step, half)]
            self.wfile.write(block)
            if self.hub.rate:
                time.sleep(len(block) / self.hub.rate)
            if step == 1 and self.hub.closing.wait(DRIP_SECONDS):
                break
        if half < len(body):
            self.wfile.flush()
            if fault and fault.kind == "stall":
                self.hub.closing.wait()
            self.close_connection = True
            self.connection.close()
