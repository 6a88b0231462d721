"""A small server that speaks S3: objects, parts, listings, signatures with their time, faults."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from tests.faults.serving import Serving

KEY = "AKIDOFATEST"
SECRET = "a/secret+of+a+test/0123456789"
REGION = "eu-west-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>\S+), SignedHeaders=(?P<headers>\S+), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Asked:
    """A request: its path and its query as they came, and the query read."""

    method: str
    path: str
    raw: str
    query: Mapping[str, str]
    headers: Message


class Buckets(Serving, http.server.ThreadingHTTPServer):
    """Serves one table of objects, by `/bucket/key`; use as a context manager.

    `cuts` has how many transfers of each method break off; `now` is its clock.
    """

    scheme = "s3"
    endpoint_named = "AWS_ENDPOINT_URL"
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.uploads = 0
        self.seen: list[tuple[str, str, int]] = []
        self.cuts: dict[str, int] = {}
        self.cut_once: set[str] = set()
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def endpoint(self) -> dict[str, str]:
        """Where it is."""
        return {self.endpoint_named: f"http://127.0.0.1:{self.server_address[1]}"}

    @property
    def environment(self) -> dict[str, str]:
        """What opens it."""
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
        return keys | self.endpoint

    @property
    def secrets(self) -> list[str]:
        """What must stand nowhere."""
        return [SECRET]

    def cut(self, method: str, path: str) -> bool:
        """Tell whether this transfer is to break off: each object's first, or the first ones."""
        path = unquote(path.partition("?")[0])
        with self.lock:
            if method in self.cuts and self.cuts[method] > 0:
                self.cuts[method] -= 1
                return True
            first = f"{method} {path}" not in self.cut_once
            if f"every {method}" in self.cut_once and first:
                self.cut_once.add(f"{method} {path}")
                return True
            return False

    def flaw(self, asked: Asked) -> str:
        """Why a request is not signed as it has to be; empty where it is."""
        told = _AUTHORIZATION.fullmatch(asked.headers.get("Authorization", ""))
        if told:
            at = asked.headers.get("X-Amz-Date", "")
            named, signature = told["headers"], told["signature"]
            credential, content = told["credential"], asked.headers.get("X-Amz-Content-Sha256", "")
            good_for = timedelta(minutes=15)
        elif "X-Amz-Signature" in asked.query:
            query = asked.query
            at, named = query["X-Amz-Date"], query["X-Amz-SignedHeaders"]
            signature, credential = query["X-Amz-Signature"], query["X-Amz-Credential"]
            content, good_for = "UNSIGNED-PAYLOAD", timedelta(seconds=int(query["X-Amz-Expires"]))
        else:
            return "AccessDenied"
        moment = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if self.now() > moment + good_for:
            return "RequestExpired"
        if credential != f"{KEY}/{at[:8]}/{REGION}/s3/aws4_request":
            return "InvalidAccessKeyId"
        pairs = sorted(f"{k}={v}" for k, v in _raw_pairs(asked.raw) if k != "X-Amz-Signature")
        headers = "".join(
            f"{name}:{' '.join((asked.headers.get(name) or '').split())}\n"
            for name in named.split(";")
        )
        request = "\n".join((asked.method, asked.path, "&".join(pairs), headers, named, content))
        scope = credential.partition("/")[2]
        to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{SECRET}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        right = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        return "" if hmac.compare_digest(right, signature) else "SignatureDoesNotMatch"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Buckets

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        url = urlsplit(self.path)
        query = dict(_pairs(url.query))
        if length and self.server.cut(self.command, self.path):
            self.rfile.read(length // 2)
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(length) if length else b""
        flaw = self.server.flaw(Asked(self.command, url.path, url.query, query, self.headers))
        if flaw:
            self._send(403, f"<Error><Code>{flaw}</Code></Error>".encode())
            return
        path = unquote(url.path)
        if self.command == "PUT":
            self._put(path, query, body)
        elif self.command == "POST":
            self._post(path, query)
        elif self.command == "DELETE":
            self._drop(query)
        else:
            self._get(path, query)

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _get(self, path: str, query: dict[str, str]) -> None:
        if "list-type" in query:
            self._list(path, query)
            return
        data = self.server.objects.get(path)
        if data is None:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        mark = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": mark, "Last-Modified": "Sun, 29 Nov 2026 22:00:00 GMT"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and self.headers.get("If-Range", mark) == mark:
            begin, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            headers["Content-Range"] = f"bytes {begin}-{end}/{len(data)}"
            self._send(206, data[begin : end + 1], headers)
            return
        self._send(200, data, headers)

    def _list(self, path: str, query: dict[str, str]) -> None:
        bucket, prefix = f"{path.rstrip('/')}/", query.get("prefix", "")
        begin = query.get("continuation-token") or query.get("start-after", "")
        keys = sorted(
            key.removeprefix(bucket)
            for key in self.server.objects
            if key.startswith(f"{bucket}{prefix}")
        )
        keys = [key for key in keys if key > begin]
        page = keys[:100]
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key>"
            f"<Size>{len(self.server.objects[bucket + key])}</Size>"
            f"<LastModified>2026-11-29T22:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        cut = len(keys) > len(page)
        text = (
            f"<ListBucketResult><IsTruncated>{str(cut).lower()}</IsTruncated>"
            f"{more if cut else ''}{rows}</ListBucketResult>"
        )
        self._send(200, text.encode())

    def _put(self, path: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            with self.server.lock:
                parts = self.server.parts.get(query["uploadId"])
                if parts is not None:
                    parts[int(query["partNumber"])] = body
            if parts is None:
                self._send(404, b"<Error><Code>NoSuchUpload</Code></Error>")
                return
        else:
            self.server.objects[path] = body
        self._send(200, b"", {"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'})

    def _post(self, path: str, query: dict[str, str]) -> None:
        if "uploads" in query:
            with self.server.lock:
                self.server.uploads += 1  # a name of its own: others have ended meanwhile
                name = f"upload-{self.server.uploads}"
                self.server.parts[name] = {}
            told = f"<UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            self._send(200, f"<InitiateMultipartUploadResult>{told}".encode())
            return
        with self.server.lock:
            parts = self.server.parts.pop(query["uploadId"])
        self.server.objects[path] = b"".join(parts[number] for number in sorted(parts))
        told = "<ETag>x</ETag></CompleteMultipartUploadResult>"
        self._send(200, f"<CompleteMultipartUploadResult>{told}".encode())

    def _drop(self, query: dict[str, str]) -> None:
        with self.server.lock:
            self.server.parts.pop(query.get("uploadId", ""), None)
        self._send(204, b"")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        with self.server.lock:
            self.server.seen.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        whole = not (body and status in (200, 206) and "list-type" not in self.path)
        if not whole and self.command == "GET" and self.server.cut("GET", self.path):
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)


def _raw_pairs(raw: str) -> list[tuple[str, str]]:
    split = (part.partition("=") for part in raw.split("&") if part)
    return [(name, value) for name, _, value in split]


def _pairs(raw: str) -> list[tuple[str, str]]:
    return [(unquote(name), unquote(value)) for name, value in _raw_pairs(raw)]
