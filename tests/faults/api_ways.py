"""The ways in which an API misbehaves, and what each must end with."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.raw import Ask, Step, Then, chunk, drip, for_ever, head, whole

JSON = "Content-Type: application/json"
YEAR = 365 * 86400
TREE = b'{"a":' * 100_000
LATE, BROKEN, DOWN = "does not answer in time", "breaks off", "no connection"
NO_JSON, UNUSABLE, LARGE = "not JSON", "no usable answer", "it is larger than"
NO_HTTP = "not HTTP"
NO_SIZE = "does not say how large"
ESCAPES = "\x1b]0;pwned\x07\x1b[2J\u202e"


Act = Callable[[Ask, bytes], Iterator[Step]]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to misbehave: what is said to an ask, given the right answer; and what is told."""

    act: Act
    says: str


def _at(data: bytes, *then: Step) -> Act:
    return lambda _, __: iter((data, *then))


def _half(*then: Step) -> Act:
    """Half of the right answer, then what is given."""
    return lambda _, good: iter((whole(good, JSON)[: -len(good) // 2], *then))


def _filled(start: bytes, piece: bytes) -> Act:
    def act(ask: Ask, good: bytes) -> Iterator[Step]:
        yield start
        yield from for_ever(piece)

    return act


def _changed(change: Callable[[dict[str, Any]], object]) -> Act:
    """The right answer but for something in it."""

    def act(ask: Ask, good: bytes) -> Iterator[Step]:
        value = json.loads(good)
        change(value)
        yield whole(json.dumps(value).encode(), JSON)

    return act


def _size(text: str) -> Act:
    """The right answer, with this in every field for a size."""

    def act(ask: Ask, good: bytes) -> Iterator[Step]:
        told = re.sub(rb'"(size|sizeKB)": [\d.]+', rb'"\1": ' + text.encode(), good)
        assert told != good
        yield whole(told, JSON)

    return act


def _redirect(place: str, status: str = "302 Found") -> Act:
    def act(ask: Ask, good: bytes) -> Iterator[Step]:
        where = place.format(base=ask.base, path=ask.path.partition("?")[0], next=ask.number)
        yield whole(b"", f"Location: {where}", status=status)

    return act


def _bomb() -> bytes:
    squeeze = zlib.compressobj(9, wbits=31)
    block = b" " * (1 << 20)
    return b"".join(squeeze.compress(block) for _ in range(2000)) + squeeze.flush()


def _fails(status: str, *lines: str) -> Act:
    return _at(whole(b"{}", *lines, status=status))


WAYS = {
    "a byte a second in the head": Way(lambda _, good: drip(whole(good)), LATE),
    "a byte a second in the body": Way(
        lambda _, good: iter((head("200 OK", f"Content-Length: {len(good)}"), *drip(good))), LATE
    ),
    "never answers": Way(_at(b"", Then.HOLD), LATE),
    "stops in the head": Way(_at(b"HTTP/1.1 200 OK\r\nX-A: ", Then.HOLD), LATE),
    "stops in the body": Way(_half(Then.HOLD), LATE),
    "closes at once": Way(_at(b""), DOWN),
    "resets at once": Way(_at(b"", Then.RESET), DOWN),
    "closes in the head": Way(_at(b"HTTP/1.1 200 O"), "it is empty"),
    "closes in the body": Way(_half(), BROKEN),
    "resets in the body": Way(_half(Then.RESET), f"{BROKEN}|{DOWN}"),
    "endless chunked body": Way(
        _filled(head("200 OK", JSON, "Transfer-Encoding: chunked"), chunk(b" " * (1 << 18))), LARGE
    ),
    "endless body": Way(_filled(head("200 OK", JSON), b" " * (1 << 18)), LARGE),
    "endless headers": Way(_filled(b"HTTP/1.1 200 OK\r\n", b"X-Filler: x\r\n" * 1000), NO_HTTP),
    "an endless header": Way(_filled(b"HTTP/1.1 200 OK\r\nX: ", b"x" * (1 << 18)), NO_HTTP),
    "endless 100 Continue": Way(_filled(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), LATE),
    "a broken chunk": Way(
        _at(head("200 OK", JSON, "Transfer-Encoding: chunked") + b"zz\r\n{}\r\n"), BROKEN
    ),
    "longer than it is": Way(
        lambda _, good: iter((head("200 OK", JSON, "Content-Length: 99999") + good,)), BROKEN
    ),
    "shorter than it is": Way(
        lambda _, good: iter((head("200 OK", JSON, "Content-Length: 20") + good,)), NO_JSON
    ),
    "invalid JSON": Way(_at(whole(b'{"sha": tru', JSON)), NO_JSON),
    "a list": Way(_at(whole(b"[]", JSON)), UNUSABLE),
    "a number": Way(_at(whole(b"17", JSON)), UNUSABLE),
    "null": Way(_at(whole(b"null", JSON)), UNUSABLE),
    "100,000 deep": Way(_at(whole(TREE + b"1" + b"}" * 100_000, JSON)), NO_JSON),
    "a bomb": Way(_at(whole(_bomb(), JSON, "Content-Encoding: gzip")), LARGE),
    "gzip that is none": Way(_at(whole(b"{}", JSON, "Content-Encoding: gzip")), "unpacked"),
    "invalid UTF-8": Way(_at(whole(b'{"sha": "\xff\xfe\xc0"}', JSON)), NO_JSON),
    "another charset": Way(
        lambda _, good: iter((whole(good.decode().encode("utf-16"), JSON + "; charset=x"),)),
        NO_JSON,
    ),
    "redirects in a circle": Way(_redirect("{base}{path}?n={next}"), "redirects"),
    "redirects to itself": Way(_redirect("{base}{path}"), "redirects"),
    "redirects to a file": Way(_redirect("file:///etc/passwd"), "redirects"),
    "redirects to a cloud's keys": Way(_redirect("http://169.254.169.254/latest"), "redirects"),
    "redirects to no address": Way(_redirect("http://[", "307 Temporary Redirect"), "redirects"),
    "500 for ever": Way(_fails("500 Oops"), "answers 500"),
    "503, come in a year": Way(_fails("503 Busy", f"Retry-After: {YEAR}"), "answers 503"),
    "429, come in a year": Way(_fails("429 Slow", f"Retry-After: {YEAR}"), "answers 429"),
    "418": Way(_fails("418 Teapot"), "status 418"),
    "204": Way(_at(head("204 No Content")), NO_JSON),
    "a login page": Way(
        _at(whole(b"<!DOCTYPE html>Sign in", "Content-Type: text/html")), "a web page"
    ),
    "an empty body": Way(_at(whole(b"", JSON)), NO_JSON),
    "garbage": Way(_at(b"\x16\x03\x01\x00\xff" * 200), NO_HTTP),
    "escapes in its words": Way(
        _at(whole(b"{}", f"X-Error-Message: {ESCAPES[:-1]}", status=f"500 {ESCAPES[:-1]}")),
        "answers 500",
    ),
    "the size is true": Way(_size("true"), NO_SIZE),
    "the size is below zero": Way(_size("-5"), NO_SIZE),
    "the size has 4,000 digits": Way(_size("9" * 4000), NO_SIZE),
    "the size is a word": Way(_size('"much"'), NO_SIZE),
    "the id is of another": Way(
        _changed(lambda value: value.update(id=1, sha=5)), f"{UNUSABLE}|no such model version"
    ),
    "the files are a number": Way(
        _changed(lambda value: value.update(siblings=5, files=5)), "no such file|no file"
    ),
}  # fmt: skip
LIMIT = Way(
    _fails("429 Slow", f'RateLimit: "api";r=0;t={YEAR}'), "answers 429|limit of requests is used up"
)


def honestly(_: Ask, good: bytes) -> Iterator[Step]:
    """As it should be."""
    yield whole(good, JSON)
