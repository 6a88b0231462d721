"""Wrong bytes of the right length: none of a thousand gets the final name."""

from __future__ import annotations

import random
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, Repository, sha256
from comfyfix.screen.words import t
from tests.faults.rig import Case, Rig, file_of, side_by_side
from tests.faults.server import Ask, Reply
from tests.faults.shelf import Thing, cut, proper
from tests.rig import Site

pytestmark = pytest.mark.faults
BODIES = 1000
SIZE = 20_000
TRUTH = file_of(SIZE)


def flipped(chance: random.Random) -> bytes:
    """One bit is another."""
    body = bytearray(TRUTH)
    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(body)


def swapped(chance: random.Random) -> bytes:
    """Two blocks have changed places."""
    width = chance.choice((1, 16, 512, 4096))
    body = bytearray(TRUTH)
    one, two = sorted(chance.sample(range(0, len(body) - width, width), 2))
    body[one : one + width], body[two : two + width] = TRUTH[two:][:width], TRUTH[one:][:width]
    return bytes(body) if bytes(body) != TRUTH else flipped(chance)


def another(chance: random.Random) -> bytes:
    """A valid file of the same length."""
    return file_of(SIZE, seed=f"another {chance.random()}")


def blanked(chance: random.Random) -> bytes:
    """A block of zeros, as a hole in a file reads."""
    body = bytearray(TRUTH)
    start = chance.randrange(len(body) - 512)
    body[start : start + 512] = bytes(512)
    return bytes(body)


def turned(chance: random.Random) -> bytes:
    """The end stands before the beginning."""
    place = chance.randrange(1, len(TRUTH))
    return TRUTH[place:] + TRUTH[:place]


KINDS = (flipped, swapped, another, blanked, turned)


def thing_with(body: bytes, chance: random.Random) -> Thing:
    """Serve the wrong body at once, or only in what is asked for after a cut."""
    assert len(body) == len(TRUTH)
    assert body != TRUTH
    place = chance.randrange(1, len(TRUTH)) if chance.random() < 0.2 else 0

    def serve(ask: Ask, number: int) -> Reply:
        if number == 1 and place:
            return cut(proper(body, ask, mark='"same"'), place)
        return proper(body, ask, mark='"same"')

    return Thing(TRUTH, serve)


def test_none_of_a_thousand_gets_the_name(rig: Rig) -> None:
    chance = random.Random(20_000)
    cases = [
        rig.case(f"body-{n}", thing_with(KINDS[n % len(KINDS)](chance), chance))
        for n in range(BODIES)
    ]

    def judge(case: Case) -> tuple[int, list[str]]:
        done = case.run()
        return done.returncode, case.left

    ended = side_by_side(judge, cases)
    named = [case.script.parent.name for case, (_, left) in zip(cases, ended, strict=True) if left]
    assert named == []
    assert {code for code, _ in ended} == {14}
    rig.require_nothing_runs()


class Plain(Repository):
    """A repository whose files are not in LFS: the Hub tells no sha256 of them."""

    def describe(self, **asked: bool) -> dict[str, Any]:
        """Describe it without hashes."""
        told = super().describe(**asked)
        for sibling in told.get("siblings", ()):
            sibling.pop("lfs", None)
        return told


def test_without_a_hash_it_is_called_unverified(site: Site, hub: Hub) -> None:
    hub.repositories["someone/plain"] = Plain("someone/plain")
    hub.repositories["someone/plain"].files.grow("rife49.pth")
    url = "https://huggingface.co/someone/plain/resolve/main/rife49.pth"
    wanted = ("upscale_models", "rife49.pth")
    site.workflow("w.json", wanted, urls={"rife49.pth": url})
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {"upscale_models/rife49.pth": sha256(file_for("rife49.pth"))}
    (verdict,) = site.state("verified/batch_001.json")["verified"]
    assert verdict["status"] == "unverified"
    assert t("Without a published hash (unverified): {count}", count=1) in done.stdout
