"""The connection is cut and the object behind it changes: the right bytes come out, or none."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from comfyfix.demo.hub import sha256
from tests.faults.rig import NAME, Case, Rig, file_of, side_by_side
from tests.faults.server import Ask, Reply
from tests.faults.shelf import Thing, cut, etag, proper

pytestmark = pytest.mark.faults
SIZE = 200_000
OLD, NEW = file_of(SIZE, "old"), file_of(SIZE, "new")
PERCENTS = range(1, 100)


def whole(data: bytes, mark: str) -> Reply:
    return Reply(200, data, {"ETag": mark} if mark else {})


def ranged(data: bytes, ask: Ask, mark: str, *, shift: int = 0) -> Reply:
    """Answer any Range, whatever If-Range says; `shift` begins elsewhere than was asked."""
    reply = proper(data, replace(ask, headers={**ask.headers, "if-range": mark}), mark=mark)
    if reply.status != 206 or not shift:
        return reply
    start = max(0, (ask.start or 0) + shift)
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return Reply(206, data[start:], headers)


def unable(ask: Ask, data: bytes) -> Reply:
    """416 for any Range, as some CDNs answer for an object that has changed."""
    if ask.start is None:
        return proper(data, ask)
    return Reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})


def squeezed(ask: Ask, data: bytes) -> Reply:
    """Compressed, though nobody asked for that: the range is one of the compressed bytes."""
    packed = gzip.compress(data, 1, mtime=0)
    return replace(
        reply := proper(packed, ask, mark=etag(data)),
        headers={**reply.headers, "Content-Encoding": "gzip"},
    )


@dataclass(frozen=True, slots=True)
class Way:
    """How the server goes on after the cut. `arrives`: then the file must come out right."""

    begins: bytes
    goes_on: Callable[[Ask], Reply]
    arrives: bool = True
    first_mark: str | None = None


WAYS = {
    "206": Way(NEW, lambda ask: proper(NEW, ask)),
    "200": Way(NEW, lambda _: whole(NEW, etag(NEW))),
    "416": Way(OLD, lambda ask: unable(ask, NEW)),
    "wrong start": Way(NEW, lambda ask: ranged(NEW, ask, etag(NEW), shift=-1000), arrives=False),
    "changed ETag": Way(OLD, lambda ask: proper(NEW, ask)),
    "changed ETag, If-Range ignored": Way(OLD, lambda ask: ranged(NEW, ask, etag(NEW))),
    "same ETag, other object": Way(
        OLD, lambda ask: ranged(NEW, ask, '"same"'), first_mark='"same"', arrives=False
    ),
    "no ETag": Way(OLD, lambda ask: ranged(NEW, ask, ""), first_mark="", arrives=False),
    "gzip": Way(NEW, lambda ask: squeezed(ask, NEW), arrives=False),
    "gzip from the start": Way(OLD, lambda ask: squeezed(ask, NEW), arrives=False),
}


def thing(way: Way, percent: int) -> Thing:
    place = len(way.begins) * percent // 100

    def serve(ask: Ask, number: int) -> Reply:
        if number == 1:
            return cut(proper(way.begins, ask, mark=way.first_mark), place)
        return way.goes_on(ask)

    return Thing(NEW, serve)


def results(rig: Rig, way: Way, **changes: object) -> list[tuple[int, str | None, list[str]]]:
    cases = [rig.case(f"at-{p}", thing(way, p), **changes) for p in PERCENTS]

    def judge(case: Case) -> tuple[int, str | None, list[str]]:
        done = case.run()
        return done.returncode, case.got, case.left

    return side_by_side(judge, cases)


@pytest.mark.parametrize("name", WAYS)
def test_with_a_hash_the_right_bytes_or_none(rig: Rig, name: str) -> None:
    way = WAYS[name]
    for percent, (code, got, left) in zip(PERCENTS, results(rig, way), strict=True):
        assert got in (sha256(NEW), None), f"cut at {percent} %"
        assert (code == 0) is (got is not None)
        assert code in ((0,) if way.arrives else (0, 14, 15)), f"cut at {percent} %"
        if got is not None:
            assert left == [NAME], f"cut at {percent} %"
    rig.require_nothing_runs()


# A server that gives another object the same strong mark breaks HTTP; without a published hash
# nothing in the world could tell.
@pytest.mark.parametrize("name", [name for name in WAYS if name != "same ETag, other object"])
def test_without_a_hash_never_a_mixture(rig: Rig, name: str) -> None:
    """All that is known is the size: one object or the other, whole, or none."""
    for percent, (code, got, left) in zip(
        PERCENTS, results(rig, WAYS[name], sha256=None), strict=True
    ):
        assert got in (sha256(NEW), sha256(OLD), None), f"cut at {percent} %"
        assert (code == 0) is (got is not None)
        if got is not None:
            assert left == [NAME], f"cut at {percent} %"
    rig.require_nothing_runs()
