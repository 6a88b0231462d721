"""The loopback hub's HTTP side: routes, faults, and the answers of each service."""

from __future__ import annotations

import http.server
import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from comfyfix.demo.shelf import CivitaiVersion, sha256

if TYPE_CHECKING:
    from comfyfix.demo.hub import Fault, Hub

BLOCK = 1 << 16
Query = dict[str, list[str]]


class Server(http.server.ThreadingHTTPServer):
    """A threaded server on a free port of the loopback address."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away in the middle are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    _fault: Fault | None = None
    _body = b""

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
            elif path.startswith("/api/v1/"):
                self._civitai(path.removeprefix("/api/v1/"), query)
            elif path.startswith("/api/download/models/"):
                self._civitai_download(path.rpartition("/")[2], query)
            elif path.startswith("/cdn-civitai/"):
                self._civitai_file(int(path.rpartition("/")[2]))
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
        self.server.hub.note(self.command, unquote(self.path), status, token)

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(
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

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._begin(status, headers, len(body))
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

    def _search(self, query: Query) -> None:
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
        self._json(200, [repo.describe() for repo in hits[:limit]])

    def _api(self, rest: str) -> None:
        match = re.match(r"^([^/]+/[^/]+)(?:/(tree|paths-info|revision)/([^/]+))?(?:/(.*))?$", rest)
        repo = self.server.hub.repositories.get(match.group(1)) if match else None
        if match is None or repo is None:
            self._no_repository()
            return
        verb = match.group(2)
        if verb == "paths-info":
            paths = parse_qs(self._body.decode()).get("paths", [])
            self._json(200, [repo.item(path) for path in paths if path in repo.files])
        elif verb == "tree":
            folder = match.group(4) or ""
            self._json(200, [repo.item(p) for p in sorted(repo.files) if p.startswith(folder)])
        else:
            self._json(200, repo.describe())

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
        self._bytes(self.server.hub.repositories[f"{owner}/{name}"].files[path])

    def _bytes(self, data: bytes) -> None:
        """A file as a CDN gives it: ranges, If-Range, 416."""
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
        self._begin(status, headers, len(body))
        if self.command == "HEAD":
            return
        half = max(1, len(body) // 2) if fault and fault.kind in ("cut", "stall") else len(body)
        for begin in range(0, half, BLOCK):
            block = body[begin : min(begin + BLOCK, half)]
            self.wfile.write(block)
            if self.server.hub.rate:
                time.sleep(len(block) / self.server.hub.rate)
        if half < len(body):
            self.wfile.flush()
            if fault and fault.kind == "stall":
                self.server.hub.closing.wait()
            self.close_connection = True
            self.connection.close()

    # -- Civitai's API -------------------------------------------------------------------

    def _civitai(self, rest: str, query: Query) -> None:
        if self._fails(f"civitai {rest} {query.get('query', [''])[0]}".strip(), "civitai"):
            return
        versions = list(self.server.hub.civitai.values())
        if any(version.access == "region" for version in versions):
            self._json(451, {"error": "not available", "code": "REGION_BLOCKED"})
        elif rest == "models":
            self._civitai_search(versions, query)
        elif match := re.match(r"model-versions/by-hash/(\w+)$", rest):
            digest = match.group(1).lower()
            self._one_version([v for v in versions if sha256(v.data) == digest])
        elif match := re.match(r"model-versions/(\d+)$", rest):
            self._one_version([v for v in versions if v.id == int(match.group(1))])
        else:
            self._json(404, {"error": "not found"})

    def _one_version(self, versions: list[CivitaiVersion]) -> None:
        if versions:
            self._json(200, versions[0].describe())
        else:
            self._json(404, {"error": "Model not found"})

    def _civitai_search(self, versions: list[CivitaiVersion], query: Query) -> None:
        words = query.get("query", [""])[0].lower().split()
        types = query.get("types", [])
        cursor = query.get("cursor")
        hits = [
            version
            for version in versions
            if all(word in version.model.lower() for word in words)
            and (not types or version.type in types)
        ]
        items = [
            {
                "id": hit.model_id,
                "name": hit.model,
                "type": hit.type,
                "mode": hit.mode,
                "modelVersions": [hit.describe()],
            }
            for hit in hits
        ]
        # As seen in the real one: the first page may be empty and still have a cursor.
        if cursor is None and items:
            self._json(200, {"items": [], "metadata": {"nextCursor": "1"}})
        else:
            self._json(200, {"items": items, "metadata": {}})

    def _civitai_download(self, version_id: str, query: Query) -> None:
        version = self.server.hub.civitai.get(int(version_id)) if version_id.isdigit() else None
        file_id = query.get("fileId", [""])[0]
        if version is None or version.access == "gone" or file_id != str(version.file_id):
            self._json(404, {"error": "File not found"})
        elif version.access == "login" and not self.headers.get("Authorization"):
            message = "The creator of this asset requires you to be logged in to download it"
            self._json(401, {"error": "Unauthorized", "message": message})
        elif version.access == "early":
            self._json(403, {"error": "Early Access", "deadline": "2030-01-01T00:00:00.000Z"})
        elif version.access == "archived":
            self._json(410, {"error": "Model archived, not available for download"})
        else:
            base = self.server.hub.cdn or self.server.hub.url
            self._send(307, b"", {"Location": f"{base}/cdn-civitai/{version.id}"})

    def _civitai_file(self, version_id: int) -> None:
        version = self.server.hub.civitai[version_id]
        if not self._fails(f"file civitai/{version.file}", "file"):
            self._bytes(version.data)

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
