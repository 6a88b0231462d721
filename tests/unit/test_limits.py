"""A limit that a service says is used up: every thread keeps it, and no longer than it lasts."""

from __future__ import annotations

import pytest

from comfyfix.demo.hub import Fault, Hub
from comfyfix.errors import SourceDown
from comfyfix.net.http import Web
from comfyfix.net.limits import limited, used_up_for
from comfyfix.net.urls.origin import origin_of


class Clock:
    """A clock that moves when somebody waits, or when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spend(hub: Hub, seconds: int, kind: str = "404") -> None:
    """Let the next answer use the limit up."""
    told = {"RateLimit": f'"api";r=0;t={seconds}'}
    hub.faults.append(Fault("search *", kind, times=1, headers=told))


def test_after_an_answer_that_uses_a_limit_up_the_next_question_waits(
    hub: Hub, clock: Clock
) -> None:
    spend(hub, 7)
    web = Web({}, wait=clock.wait, now=clock.monotonic, direct=True)
    assert web.get(f"{hub.url}/api/models").status == 404
    assert clock.waits == []
    assert web.get(f"{hub.url}/api/models").status == 200
    assert clock.waits == [8.0]
    web.get(f"{hub.url}/api/models")
    assert clock.waits == [8.0], "it is open again"


def test_a_limit_that_is_used_up_for_long_is_not_asked_into(hub: Hub, clock: Clock) -> None:
    spend(hub, 290)
    web = Web({}, wait=clock.wait, now=clock.monotonic, direct=True)
    web.get(f"{hub.url}/api/models")
    with pytest.raises(SourceDown):
        web.get(f"{hub.url}/api/models?search=other")
    assert len(hub.seen) == 1
    clock.now += 291
    assert web.get(f"{hub.url}/api/models").status == 200


def test_files_of_the_origin_are_not_held_up_by_the_limit_of_its_api(
    hub: Hub, clock: Clock
) -> None:
    spend(hub, 290)
    web = Web({}, wait=clock.wait, now=clock.monotonic, direct=True)
    web.get(f"{hub.url}/api/models")
    assert web.get(f"{hub.url}/nobody/nothing/raw/main/README.md").status == 401
    assert clock.waits == []


def test_which_questions_share_a_limit() -> None:
    assert limited("https://a.b/api/x") == limited("https://a.b/api/y?z")
    assert limited("https://a.b/api/x") != limited("https://a.b/x")
    assert limited("https://a.b/api/x") != limited("https://a.b:444/api/x")
    assert used_up_for({"ratelimit": '"api";r=0;t=12'}) == 13.0
    assert used_up_for({"ratelimit": '"api";r=1;t=12'}) is None


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("https://a.b:444/c?d#e") == "https://a.b:444"
    assert origin_of("http://a.b") == "http://a.b"
