"""The ways in which the server misbehaves that a file lies on, and what each must end with."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from comfyfix.demo.content import file_for
from tests.faults.raw import Ask, Step, Then, chunk, drip, for_ever, head, whole

Act = Callable[[Ask, bytes], Iterator[Step]]
GAVE_UP, WRONG, GONE = "network gave up", "is not .*: ", "not there any more"
BLOCK = b"\0" * (1 << 18)
HUGE = 9 * 10**17
ESCAPES = "\x1b]0;pwned\x07\x1b[2J\x9b\x00"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to misbehave.

    `says` is what is told; empty where the file comes all the same. `keeps`: a beginning that is
    right may stay, to go on from. `sizes`: which files are asked for so.
    """

    act: Act
    says: str
    keeps: bool = False
    sizes: tuple[str, ...] = ("small", "large")


def _says(*steps: Step) -> Act:
    return lambda _, __: iter(steps)


def _body(change: Callable[[bytes], bytes], *lines: str, status: str = "200 OK") -> Act:
    return lambda _, data: iter((whole(change(data), *lines, status=status),))


def _status(status: str, *lines: str) -> Act:
    return _body(lambda _: b"no", *lines, status=status)


def _half(*then: Step) -> Act:
    """Half of the file, then this; whoever asks for the rest gets nothing of it."""

    def act(ask: Ask, data: bytes) -> Iterator[Step]:
        if ask.start:
            yield rest(ask, data, b"")
        else:
            yield head("200 OK", f"Content-Length: {len(data)}", 'ETag: "a"')
            yield data[: len(data) // 2]
        yield from then

    return act


def rest(
    ask: Ask, data: bytes, body: bytes | None = None, *, off: int = 0, tag: str = "a"
) -> bytes:
    """What is asked for by Range, and what is wrong with it."""
    start, size = ask.start + off, len(data)
    told = (f"Content-Length: {size - start}", f"Content-Range: bytes {start}-{size - 1}/{size}")
    return head("206 Partial", *told, 'ETag: "a"') + (data[start:] if body is None else body)


def _then(answer: Callable[[Ask, bytes], bytes]) -> Act:
    """Half of the file first; the rest is answered so."""
    broken = _half()

    def act(ask: Ask, data: bytes) -> Iterator[Step]:
        return iter((answer(ask, data),)) if ask.start else broken(ask, data)

    return act


def _endless(start: bytes, piece: bytes) -> Act:
    return lambda _, __: chain((start,), for_ever(piece))


def _dripping(ask: Ask, data: bytes) -> Iterator[Step]:
    yield rest(ask, data, b"") if ask.start else head("200 OK", f"Content-Length: {len(data)}")
    yield from drip(data[ask.start :])


def _rest_is_all(ask: Ask, data: bytes) -> Iterator[Step]:
    """Half of the file, and all of it to whoever asks for the rest."""
    return _half()(ask, data) if ask.number == 1 else iter((whole(data),))


def _changing(ask: Ask, data: bytes) -> Iterator[Step]:
    """Another mark each time, and never more than a half."""
    yield head("200 OK", f"Content-Length: {len(data)}", f'ETag: "{ask.number}"')
    yield data[: len(data) // 2]


def to(place: str, status: str = "302 Found") -> Act:
    def act(ask: Ask, data: bytes) -> Iterator[Step]:
        path, tls = ask.path.partition("?")[0], ask.base.replace("http:", "https:")
        where = place.format(base=ask.base, path=path, n=ask.number, tls=tls)
        yield whole(b"", f"Location: {where}", status=status)

    return act


WAYS = {
    "never answers": Way(_says(Then.HOLD), GAVE_UP),
    "a byte a second in the head": Way(lambda _, data: drip(whole(data)), GAVE_UP),
    "a byte a second in the body": Way(_dripping, GAVE_UP, keeps=True),
    "closes at once": Way(_says(), GAVE_UP),
    "resets at once": Way(_says(Then.RESET), GAVE_UP),
    "closes in the head": Way(_says(b"HTTP/1.1 200 OK\r\nX"), GAVE_UP),
    "stops in the head": Way(_says(b"HTTP/1.1 200 OK\r\nX", Then.HOLD), GAVE_UP),
    "closes in the body": Way(_half(), GAVE_UP, keeps=True),
    "resets in the body": Way(_half(Then.RESET), GAVE_UP, keeps=True),
    "stops in the body": Way(_half(Then.HOLD), GAVE_UP, keeps=True),
    "endless chunks": Way(
        _endless(head("200 OK", "Transfer-Encoding: chunked"), chunk(BLOCK)), WRONG
    ),
    "endless body": Way(_endless(head("200 OK"), BLOCK), WRONG),
    "endless body of a told length": Way(
        _endless(head("200 OK", f"Content-Length: {HUGE}"), BLOCK), "another size"
    ),
    "a broken chunk": Way(
        _says(head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\nhi\r\n"), GAVE_UP
    ),
    "longer than it should be": Way(_body(lambda data: data + b"more"), WRONG),
    "shorter than it should be": Way(_body(lambda data: data[:-9]), WRONG),
    "an empty body": Way(_body(lambda _: b""), f"{WRONG}|{GAVE_UP}"),
    "a length that is none": Way(
        lambda _, data: iter((head("200 OK", "Content-Length: -5") + data,)), f"{GAVE_UP}|{WRONG}"
    ),
    "short, of no told length": Way(
        lambda _, data: iter((head("200 OK") + data[:-9],)), f"{WRONG}|{GAVE_UP}"
    ),
    "206 of another place": Way(
        _then(lambda ask, data: rest(ask, data, off=9)), GAVE_UP, keeps=True
    ),
    "206 of no place": Way(
        _then(lambda _, data: whole(data, status="206 Partial")), GAVE_UP, keeps=True
    ),
    "206 of another file": Way(_then(lambda ask, data: rest(ask, bytes(len(data)))), WRONG),
    "416 for ever": Way(_status("416 No"), GAVE_UP),
    "a new ETag each time": Way(_changing, GAVE_UP, keeps=True),
    "packed unasked": Way(_body(gzip.compress, "Content-Encoding: gzip"), "packs"),
    "redirects in a circle": Way(to("{base}{path}?n={n}"), "redirected for ever"),
    "redirects to a cloud's keys": Way(to("http://169.254.169.254/latest"), "refused"),
    "redirects to a file": Way(to("file:///etc/passwd"), "refused"),
    "redirects to no address": Way(to("http://[", "307 Go"), "refused|" + GAVE_UP),
    "redirects to a user's address": Way(to("https://a:b@127.0.0.1/x"), "refused"),
    "redirects to nowhere": Way(_status("301 Moved"), GAVE_UP),
    "redirects to a closed port": Way(to("http://127.0.0.1:1/x"), "can't be reached"),
    "redirects to what is no TLS": Way(to("{tls}/x"), GAVE_UP),
    "401": Way(_status("401 No"), "needs a token"),
    "403": Way(_status("403 No"), "refuses a new address|Access to .* is refused"),
    "404": Way(_status("404 No"), GONE),
    "410": Way(_status("410 No"), GONE),
    "451": Way(_status("451 No"), GONE),
    "429, come in a year": Way(_status("429 Slow", f"Retry-After: {365 * 86400}"), GAVE_UP),
    "429, come at once": Way(_status("429 Slow", "Retry-After: -99999"), GAVE_UP),
    "429, come sometime": Way(_status("429 Slow", "Retry-After: $(id) `id` \x1b[2J"), GAVE_UP),
    "500": Way(_status("500 Oops"), GAVE_UP),
    "502": Way(_status("502 Oops"), GAVE_UP),
    "503": Way(_status("503 Oops"), GAVE_UP),
    "a page": Way(
        _body(lambda _: b"<!DOCTYPE html>Sign in", "Content-Type: text/html"), f"A web page|{WRONG}"
    ),
    "an error as JSON": Way(_body(lambda _: b'{"error": "no"}'), WRONG),
    "a pointer of LFS": Way(_body(lambda _: POINTER), WRONG),
    "zeros": Way(_body(lambda data: bytes(len(data))), WRONG),
    "another model": Way(_body(lambda data: file_for("x.safetensors", size=len(data))), WRONG),
    "204": Way(_says(head("204 Nothing")), f"{GAVE_UP}|{WRONG}"),
    "304": Way(_says(head("304 As It Was")), GAVE_UP),
    "999": Way(_status("999 What"), GAVE_UP),
    "endless 100 Continue": Way(_endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), GAVE_UP),
    "endless 103 with a header": Way(
        _endless(b"", b"HTTP/1.1 103 E\r\nX: y\r\n\r\n" * 99), GAVE_UP
    ),
    "endless headers": Way(_endless(b"HTTP/1.1 200 OK\r\n", b"X-Filler: x\r\n" * 999), GAVE_UP),
    "an endless header": Way(_endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * (1 << 18)), GAVE_UP),
    "NUL in a header": Way(_body(lambda _: b"", "X: a\0b", status="500 Oops"), GAVE_UP),
    "escapes in its words": Way(
        _status(f"500 {ESCAPES[:-1]}", f"X-Error-Message: {ESCAPES[:-1]}", f"ETag: {ESCAPES[:-1]}"),
        GAVE_UP,
    ),
    "escapes in an address": Way(to(f"{{base}}/{ESCAPES[:-1]}"), f"refused|{GAVE_UP}"),
    "garbage": Way(_says(b"\0\xff\x1b[2J" * 500), GAVE_UP),
    "no told length": Way(lambda _, data: iter((head("200 OK") + data,)), ""),
    "more after the end": Way(lambda _, data: iter((whole(data) + b"more",)), ""),
    "200 for the rest": Way(_rest_is_all, ""),
    "206 for all": Way(lambda ask, data: iter((rest(ask, data),)), ""),
}
UNTOLD = ("never answers", "endless chunks", "endless body", "endless body of a told length",
          "a byte a second in the body", "stops in the body", "an empty body", "a page", "404",
          "an error as JSON", "a pointer of LFS", "zeros", "redirects in a circle", "500",
          "redirects to a cloud's keys", "redirects to a file", "no told length")  # fmt: skip
EXTRA = {  # at an address that is https
    "redirects from https to http": Way(to("http://127.0.0.1:1/x"), "refused")
}
