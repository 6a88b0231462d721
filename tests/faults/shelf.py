"""Stands in for the Hub and its CDN: answers properly, but for things with their own way."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.faults.server import Ask, Reply

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(slots=True)
class Thing:
    """One file of the shelf. `serve` and `resolve` get the ask and its number, from 1."""

    data: bytes
    serve: Callable[[Ask, int], Reply] | None = None
    resolve: Callable[[Ask, int], Reply | None] | None = None
    size: int | None = None
    served: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    resolved: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class Shelf:
    """Answers as the Hub (`/owner/name/resolve/…`) and as its CDN (`/cdn/owner/name/…?sig=N`)."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}  # by owner/name
        self.cdn = ""  # the CDN's address, where it is another server

    def __call__(self, ask: Ask) -> Reply:
        """Answer one request."""
        found = re.match(r"^/(cdn/)?([^/]+/[^/]+)/", ask.path)
        thing = self.things.get(found[2]) if found else None
        if found is None or thing is None:
            return Reply(404, b"not here", {"X-Error-Code": "EntryNotFound"})
        if found[1]:
            number = next(thing.served)
            return thing.serve(ask, number) if thing.serve else proper(thing.data, ask)
        number = next(thing.resolved)
        told = thing.resolve(ask, number) if thing.resolve else None
        return told or self.redirect(found[2], ask, thing, number)

    def redirect(self, repo: str, ask: Ask, thing: Thing, number: int) -> Reply:
        """The Hub's answer for a file: where it lies, signed anew each time."""
        name = ask.path.partition("?")[0].rpartition("/")[2]
        place = f"{self.cdn or base_of(ask)}/cdn/{repo}/{name}?sig={number}"
        headers = {
            "Location": place,
            "X-Linked-Size": str(len(thing.data) if thing.size is None else thing.size),
            "X-Linked-Etag": f'"{hashlib.sha256(thing.data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
        }
        return Reply(302, b"", headers)


def base_of(ask: Ask) -> str:
    """The address that a request named, over plain HTTP."""
    return f"http://{ask.headers.get('host', '')}"


def etag(data: bytes) -> str:
    """The mark by which one object is told from another."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def proper(data: bytes, ask: Ask, *, mark: str | None = None) -> Reply:
    """An object as a well-behaved CDN gives it: Range, If-Range, 416, ETag (`mark`)."""
    mark = etag(data) if mark is None else mark
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if mark:
        headers["ETag"] = mark
    wanted = ask.range
    if wanted is None or (ask.headers.get("if-range", mark) != mark):
        return Reply(200, memoryview(data), headers)
    start, end = wanted[0], min(wanted[1], len(data) - 1)
    if start >= len(data):
        return Reply(416, b"", headers | {"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Reply(206, memoryview(data)[start : end + 1], headers)


def cut(reply: Reply, after: int, *, stall: bool = False) -> Reply:
    """The same, over after so many bytes of its body."""
    return replace(reply, cut=after, stall=stall)


def slow(data: bytes, rate: float) -> Thing:
    """Every connection has its limit (bytes a second), so that several are faster than one."""

    def serve(ask: Ask, number: int) -> Reply:
        reply = proper(data, ask)
        return Reply(reply.status, reply.body, reply.headers, rate=rate)

    return Thing(data, serve)


def halved(data: bytes, *, stall: bool = False) -> Thing:
    """The first transfer stops half-way: it ends there, or waits."""

    def serve(ask: Ask, number: int) -> Reply:
        reply = proper(data, ask)
        return cut(reply, len(reply.body) // 2, stall=stall) if number == 1 else reply

    return Thing(data, serve)
