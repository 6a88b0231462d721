"""A signed address of the CDN expires: the Hub is asked again, once, and the transfer goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from comfyfix.demo.hub import sha256
from tests.faults.rig import Rig, file_of
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Thing, cut, proper

pytestmark = pytest.mark.faults
DATA = file_of(400_000)
LARGE = file_of(64 << 20)
EXPIRED = Reply(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "text/xml"})
SLACK = 262_144  # bytes that were on their way when the address expired


@dataclass
class Signed:
    """Every signature is good for so many bytes of all transfers, then it has expired."""

    data: bytes
    good_for: int
    rate: float = 0.0
    used: dict[str, int] = field(default_factory=dict)

    def serve(self, ask: Ask, _: int) -> Reply:
        signature = parse_qs(urlsplit(ask.path).query)["sig"][0]
        left = self.good_for - self.used.get(signature, 0)
        if left <= 0:
            return EXPIRED
        reply = proper(self.data, ask)
        self.used[signature] = self.used.get(signature, 0) + min(left, len(reply.body))
        reply = Reply(reply.status, reply.body, reply.headers, rate=self.rate)
        return cut(reply, left) if left < len(reply.body) else reply


@pytest.mark.parametrize("percent", [1, 10, 50, 90, 99])
def test_it_is_resolved_again_once_and_goes_on(rig: Rig, server: Server, percent: int) -> None:
    first = len(DATA) * percent // 100

    def serve(ask: Ask, number: int) -> Reply:
        if "sig=1" in ask.path:
            return cut(proper(DATA, ask), first) if number == 1 else EXPIRED
        return proper(DATA, ask)

    case = rig.case("expires", Thing(DATA, serve))
    done = case.run()
    assert done.returncode == 0, done.stdout
    assert case.got == sha256(DATA)
    assert server.count("/resolve/") == 2
    assert sum(seen.sent for seen in server.seen if seen.status in (200, 206)) <= len(DATA) + SLACK
    assert case.left == [case.name]


def test_an_address_that_has_expired_before_its_first_use(rig: Rig, server: Server) -> None:
    case = rig.case("expires", Thing(DATA, lambda ask, n: EXPIRED if n == 1 else proper(DATA, ask)))
    assert case.run().returncode == 0
    assert (case.got, server.count("/resolve/")) == (sha256(DATA), 2)


def test_a_large_file_outlives_several_addresses(rig: Rig, server: Server) -> None:
    """Three addresses expire one after the other; each time there was progress."""
    signed = Signed(LARGE, good_for=len(LARGE) // 3)
    case = rig.case("expires", Thing(LARGE, signed.serve))
    done = case.run()
    assert done.returncode == 0, done.stdout
    assert case.got == sha256(LARGE)
    sent = sum(seen.sent for seen in server.seen if seen.status in (200, 206))
    assert sent <= 1.25 * len(LARGE), f"{sent / len(LARGE):.0%} were sent"
    assert case.left == [case.name]


@pytest.mark.parametrize("way", ["at once", "after a half"])
def test_refused_for_ever_it_ends_after_asking_again_once(
    rig: Rig, server: Server, way: str
) -> None:
    def half(ask: Ask, number: int) -> Reply:
        return cut(proper(DATA, ask), len(DATA) // 2) if number == 1 else EXPIRED

    ways: dict[str, Callable[[Ask, int], Reply]] = {
        "at once": lambda *_: EXPIRED,
        "after a half": half,
    }
    case = rig.case("refused", Thing(DATA, ways[way]))
    done = case.run()
    assert done.returncode in (10, 12, 15), done.stdout
    assert case.got is None
    assert server.count("/resolve/") <= (2 if way == "at once" else 3)
