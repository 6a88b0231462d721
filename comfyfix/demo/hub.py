"""A loopback hub: speaks the Hub's API and an OpenAI-style one, over small valid files.

It serves a table of repositories. The program can't tell it from the real services but by its
address. Faults and delays are switched on by tests and by the demo, never by a request.
"""

from __future__ import annotations

import fnmatch
import hashlib
import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from comfyfix.demo.content import file_for

BLOCK = 1 << 16


@dataclass(slots=True)
class Repository:
    """One repository: files by path, and what the API tells about it."""

    id: str
    files: dict[str, bytes] = field(default_factory=dict)
    downloads: int = 100
    gated: bool = False

    @property
    def commit(self) -> str:
        """The commit hash; it changes with the files."""
        text = "".join(f"{path}{sha256(data)}" for path, data in sorted(self.files.items()))
        return hashlib.sha1(f"{self.id}{text}".encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Fault:
    """Something that goes wrong on purpose.

    `where` is a glob over `search QUERY`, `resolve REPO/PATH`, `file REPO/PATH` or `qwen NAME`.
    `kind`: reset (connection cut), cut (half of the body), flip (a wrong byte), html (a web page
    with 200), expire (403 of the CDN), stall (the body stops until the hub closes), or a status
    code. `times` counts down; None is for ever.
    """

    where: str
    kind: str
    times: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the hub saw it."""

    method: str
    path: str
    status: int
    token: str


class Hub:
    """The server; use as a context manager, or `start` and `close`."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.answers: dict[str, str] = {}  # Qwen's, by file name
        self.tokens: set[str] = set()  # those that may see gated repositories
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.delays: dict[str, float] = {}  # seconds by kind: search, file, qwen
        self.ranges = True
        self.cdn = ""  # another hub's address, to which file requests are redirected
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.on_request: Callable[[str], None] = lambda _: None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True

    @property
    def url(self) -> str:
        """The base address, as an endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(
        self, repo: str, paths: Iterable[str], *, downloads: int = 100, gated: bool = False
    ) -> Repository:
        """Add files to a repository; equal names hold equal bytes everywhere."""
        entry = self.repositories.setdefault(repo, Repository(repo))
        entry.downloads, entry.gated = downloads, gated
        for path in paths:
            entry.files[path] = file_for(path.rpartition("/")[2])
        return entry

    def add_url(self, url: str) -> None:
        """Add the file that a Hub URL names."""
        match = re.search(r"//[^/]+/([^/]+/[^/]+)/(?:resolve|blob)/[^/]+/([^?]+)", url)
        if match:
            self.add(match.group(1), [unquote(match.group(2))])

    def count(self, method: str, pattern: str) -> int:
        """How many requests of a method had a path that fits a glob."""
        with self.lock:
            return sum(s.method == method and fnmatch.fnmatch(s.path, pattern) for s in self.seen)

    def fault_for(self, what: str) -> Fault | None:
        """Take the fault that is due for a request."""
        self.on_request(what)
        with self.lock:
            for fault in self.faults:
                if fault.times != 0 and fnmatch.fnmatchcase(what, fault.where):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def start(self) -> Hub:
        """Begin to serve."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Hub:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def sha256(data: bytes) -> str:
    """Hexadecimal sha256."""
    return hashlib.sha256(data).hexdigest()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    hub: Hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away in the middle are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; `Hub.seen` keeps the requests."""

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._body = self.rfile.read(length)
        self._route()

    # -- routing -------------------------------------------------------------------------

    def _route(self) -> None:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        try:
            if path == "/api/models":
                self._search(query)
            elif path.startswith("/api/models/"):
                self._api(path.removeprefix("/api/models/"))
            elif path.startswith("/cdn/"):
                self._cdn(path.removeprefix("/cdn/"))
            elif path.endswith("/chat/completions"):
                self._qwen()
            elif match := re.match(r"^/([^/]+/[^/]+)/(?:resolve|raw)/([^/]+)/(.+)$", path):
                self._resolve(*match.groups())
            else:
                self._json(404, {"error": "not found"})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _note(self, status: int) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        with self.server.hub.lock:
            self.server.hub.seen.append(Seen(self.command, unquote(self.path), status, token))

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(
            status,
            json.dumps(value).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._note(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _fails(self, what: str, kind: str) -> bool:
        """Wait and fail as the test has asked; True if the answer is given already."""
        hub = self.server.hub
        if hub.delays.get(kind):
            time.sleep(hub.delays[kind])
        fault = hub.fault_for(what)
        if fault is None or fault.kind in ("cut", "flip", "stall"):
            self._fault = fault
            return False
        if fault.kind == "reset":
            self._note(0)
            self.close_connection = True
            self.connection.close()
        elif fault.kind == "html":
            self._send(200, b"<!DOCTYPE html><html>Sign in</html>", {"Content-Type": "text/html"})
        elif fault.kind == "expire":
            self._send(403, b"expired", {"Content-Type": "text/plain"})
        else:
            self._json(int(fault.kind), {"error": "on purpose"}, fault.headers)
        return True

    # -- the Hub's API -------------------------------------------------------------------

    def _search(self, query: dict[str, list[str]]) -> None:
        words = query.get("search", [""])[0].lower()
        if self._fails(f"search {words}", "search"):
            return
        hits = [
            repo
            for repo in self.server.hub.repositories.values()
            if all(word in repo.id.lower() for word in words.split())
        ]
        hits.sort(key=lambda repo: -repo.downloads)
        limit = int(query.get("limit", ["20"])[0])
        self._json(200, [self._model(repo) for repo in hits[:limit]])

    def _model(self, repo: Repository) -> dict[str, Any]:
        return {
            "id": repo.id,
            "author": repo.id.partition("/")[0],
            "sha": repo.commit,
            "private": False,
            "gated": "auto" if repo.gated else False,
            "downloads": repo.downloads,
            "tags": [],
            "siblings": [{"rfilename": path} for path in sorted(repo.files)],
        }

    def _api(self, rest: str) -> None:
        match = re.match(r"^([^/]+/[^/]+)(?:/(tree|paths-info|revision)/([^/]+))?(?:/(.*))?$", rest)
        repo = self.server.hub.repositories.get(match.group(1)) if match else None
        if match is None or repo is None:
            self._no_repository()
            return
        verb = match.group(2)
        if verb == "paths-info":
            paths = parse_qs(self._body.decode()).get("paths", [])
            self._json(200, [self._item(repo, path) for path in paths if path in repo.files])
        elif verb == "tree":
            folder = match.group(4) or ""
            self._json(
                200, [self._item(repo, p) for p in sorted(repo.files) if p.startswith(folder)]
            )
        else:
            self._json(200, self._model(repo))

    def _item(self, repo: Repository, path: str) -> dict[str, Any]:
        data = repo.files[path]
        lfs = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
        return {"type": "file", "path": path, "size": len(data), "oid": "0" * 40, "lfs": lfs}

    def _no_repository(self) -> None:
        # As the real one: without a token a missing repository can't be told from a private one.
        status = 404 if self.headers.get("Authorization") else 401
        self._json(status, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

    def _resolve(self, repo_id: str, revision: str, path: str) -> None:
        if self._fails(f"resolve {repo_id}/{path}", "resolve"):
            return
        repo = self.server.hub.repositories.get(repo_id)
        if repo is None:
            self._no_repository()
            return
        commit = {"X-Repo-Commit": repo.commit}
        if revision not in ("main", repo.commit):
            self._json(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
            return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if repo.gated and token not in self.server.hub.tokens:
            status = 403 if token else 401
            self._json(status, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
            return
        data = repo.files.get(path)
        if data is None:
            self._json(404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound", **commit})
            return
        target = f"/cdn/{quote(repo_id)}/{quote(path)}?sig={repo.commit[:8]}"
        headers = {
            "Location": (self.server.hub.cdn or self.server.hub.url) + target,
            "X-Linked-Size": str(len(data)),
            "X-Linked-Etag": f'"{sha256(data)}"',
            **commit,
        }
        self._send(302, b"", headers)

    def _cdn(self, rest: str) -> None:
        owner, name, path = rest.split("/", 2)
        if self._fails(f"file {owner}/{name}/{path}", "file"):
            return
        data = self.server.hub.repositories[f"{owner}/{name}"].files[path]
        etag = f'"{sha256(data)[:32]}"'
        start, status = 0, 200
        headers = {"ETag": etag, "Content-Type": "application/octet-stream"}
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("Range") or "")
        if asked and self.server.hub.ranges and self.headers.get("If-Range", etag) == etag:
            start, status = int(asked.group(1)), 206
            if start >= len(data):
                self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._stream(status, data[start:], headers)

    def _stream(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        fault = self._fault
        if fault and fault.kind == "flip":
            body = body[:-1] + bytes([body[-1] ^ 0xFF])
        self._note(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = max(1, len(body) // 2) if fault and fault.kind in ("cut", "stall") else len(body)
        for begin in range(0, half, BLOCK):
            self.wfile.write(body[begin : min(begin + BLOCK, half)])
        if half < len(body):
            self.wfile.flush()
            if fault and fault.kind == "stall":
                self.server.hub.closing.wait()
            self.close_connection = True
            self.connection.close()

    # -- the OpenAI-style API ------------------------------------------------------------

    def _qwen(self) -> None:
        question = json.loads(self._body)["messages"][-1]["content"]
        name = json.loads(question)["model"]
        if self._fails(f"qwen {name}", "qwen"):
            return
        text = self.server.hub.answers.get(name, '{"candidates": [], "reason": "not known"}')
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._json(200, {"object": "chat.completion", "choices": [choice], "usage": {}})
