"""A loopback server over files of a folder, with a line of a chosen speed.

It speaks what the Hub and its storage speak: `/OWNER/NAME/resolve/REVISION/FILE` leads on to
`/storage/FILE`, with ranges. A process of its own, so that it takes no time from who measures:
`python -m tests.bench.line FOLDER EACH ALL LATENCY WAITING`: MB/s of a connection and in all (0 is
no limit), seconds of a request, and how many bytes of a connection may wait to be sent, which count
as sent. `/counts` tells how often each file was begun, `/span` when the first byte went and when
the last one did, by the clock of `time.monotonic`, `/sent` how many bytes went in each second that
something went in.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tests.rig import REPO

BLOCK = 1 << 22
SLICE_SECONDS = 0.02  # of a limited line: how often it is let go on
BUFFER_SECONDS = 0.1  # what a busy machine is late by is made up for, as a router's queue does
MEGABYTE = 1_000_000
COUNTS, SPAN, SENT = "/counts", "/span", "/sent"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Line:
    """What all connections share: who may send how much, and when."""

    def __init__(self, each: float, all_together: float) -> None:
        self.each, self.rate = each * MEGABYTE, all_together * MEGABYTE
        self._free_at = 0.0
        self._lock = threading.Lock()

    @property
    def block(self) -> int:
        """Bytes that are sent in one go."""
        slowest = self.each or self.rate
        return max(1 << 16, int(slowest * SLICE_SECONDS)) if slowest else BLOCK

    def wait(self, count: int, due: float) -> float:
        """Wait until `count` more bytes may go; `due` is when the connection itself may send."""
        now = time.monotonic()
        if self.rate:
            with self._lock:
                self._free_at = max(self._free_at, now - BUFFER_SECONDS) + count / self.rate
                now = max(now, self._free_at)
        if self.each:
            due = max(due, time.monotonic() - SLICE_SECONDS) + count / self.each
            now = max(now, due)
        pause = now - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        return due


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    line: Line
    latency: float
    asked: ClassVar[Counter[str]] = Counter()  # how often the bytes of each file were begun
    sent_at: ClassVar[list[float]] = []  # when bytes went
    sent: ClassVar[Counter[int]] = Counter()  # bytes by second

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """The head alone."""
        self.do_GET()

    def do_GET(self) -> None:
        """A redirect, or bytes."""
        if self.latency:
            time.sleep(self.latency)
        if self.path in (COUNTS, SPAN, SENT):
            span = (min(self.sent_at, default=0), max(self.sent_at, default=0))
            answer = json.dumps(
                {COUNTS: self.asked, SPAN: span, SENT: self.sent}[self.path]
            ).encode()
            self._head(200, {"Content-Length": str(len(answer))})
            self.wfile.write(answer)
            return
        path = self.folder / self.path.rpartition("/")[2].partition("?")[0]
        if not path.is_file():
            self._head(404, {"Content-Length": "0"})
        elif "/resolve/" in self.path:
            size = str(path.stat().st_size)
            etag = f'"{path.name}-{size}"'
            told = {"X-Linked-Size": size, "X-Linked-ETag": etag, "ETag": etag}
            self._head(302, told | {"Location": f"/storage/{path.name}", "Content-Length": "0"})
        else:
            self._file(path)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, path: Path) -> None:
        size = path.stat().st_size
        start, end, status = 0, size, 200
        headers = {"ETag": f'"{path.name}-{size}"', "Accept-Ranges": "bytes"}
        asked = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range") or "")
        if asked:
            start, status = int(asked.group(1)), 206
            end = min(size, int(asked.group(2) or size - 1) + 1)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._head(status, headers | {"Content-Length": str(end - start)})
        if self.command == "HEAD":
            return
        self.wfile.flush()
        self.asked[path.name] += 1
        due = 0.0
        self.sent_at.append(time.monotonic())
        with path.open("rb") as stream, contextlib.suppress(ConnectionError):
            while start < end:
                count = min(self.line.block, end - start)
                due = self.line.wait(count, due)
                sent = os.sendfile(self.connection.fileno(), stream.fileno(), start, count)
                start += sent
                self.sent[int(time.monotonic())] += sent
        self.sent_at.append(time.monotonic())


def main() -> None:
    """Serve until the input ends; the first line of output is the port."""
    folder, *rates = sys.argv[1:]
    each, all_together, latency, waiting = [float(r) for r in rates]
    Handler.folder, Handler.line = Path(folder), Line(each, all_together)
    Handler.latency = latency
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(waiting))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


@contextlib.contextmanager
def served(
    folder: Path,
    *,
    each: float = 0,
    all_together: float = 0,
    latency: float = 0,
    waiting: int = 1 << 20,
) -> Iterator[str]:
    """Serve a folder; yields the address. Rates in MB/s, latency in seconds, waiting in bytes."""
    command = [sys.executable, "-m", "tests.bench.line", str(folder)]
    command += [str(each), str(all_together), str(latency), str(waiting)]
    with subprocess.Popen(
        command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.terminate()


if __name__ == "__main__":
    main()
