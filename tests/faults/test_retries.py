"""429, 503, resets: every form of "later" is honoured, in bounds; what says no is asked once."""

from __future__ import annotations

import os
import shutil
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from comfyfix.demo.hub import sha256
from comfyfix.settings.manifest import Download
from tests.faults.rig import Case, Rig, file_of, side_by_side
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import Thing, cut, proper

pytestmark = pytest.mark.faults
DATA = file_of(50_000)
TRIES = 5
ASKED = 3  # seconds


def failing(reply: Reply, times: int) -> Thing:
    """The CDN fails so many times."""

    def serve(ask: Ask, number: int) -> Reply:
        return reply if number <= times else proper(DATA, ask)

    return Thing(DATA, serve)


def refusing(reply: Reply, times: int) -> Thing:
    """The Hub itself fails so many times."""
    return Thing(DATA, resolve=lambda _, number: reply if number <= times else None)


FORMS = {
    "seconds": lambda: {"Retry-After": str(ASKED)},
    "a date": lambda: {"Retry-After": formatdate(time.time() + ASKED + 1, usegmt=True)},
    "RateLimit": lambda: {"RateLimit": f'"resolvers";r=0;t={ASKED}'},
    "both": lambda: {"RateLimit": '"resolvers";r=0;t=9', "Retry-After": str(ASKED)},
}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_honoured(rig: Rig, server: Server, form: str, status: int) -> None:
    """By the clock of the server: nothing is asked before the time, and not long after it."""

    def resolve(ask: Ask, number: int) -> Reply | None:
        return Reply(status, b"later", FORMS[form]()) if number == 1 else None

    case = rig.case("later", Thing(DATA, resolve=resolve))
    assert case.run().returncode == 0
    first, second = [seen.at for seen in server.seen if "/resolve/" in seen.ask.path]
    assert second - first + 0.05 >= ASKED
    assert second - first < 2 * ASKED + 3
    assert case.got == sha256(DATA)


def noting(tools: Path) -> tuple[str, Path]:
    """A PATH whose `sleep` notes how long it should be, and takes no time."""
    tools.mkdir()
    notes = tools / "notes"
    # A long sleep in the background, for a sign of life, has to be one.
    (tools / "sleep").write_text(
        f'#!/bin/bash\necho "$1" >>{notes}\n[ "$1" != 10 ] || exec {shutil.which("sleep")} 10\n'
    )
    (tools / "sleep").chmod(0o755)
    return f"{tools}:{os.environ['PATH']}", notes


def pauses(case: Case, tools: Path, **extra: str) -> list[float]:
    """The pauses between tries; those of the sign of life (10 s) are left out."""
    path, notes = noting(tools)
    case.run(PATH=path, **extra)
    slept = [float(line) for line in notes.read_text().split()] if notes.exists() else []
    return [seconds for seconds in slept if seconds != 10]


@pytest.mark.parametrize(
    "asked",
    ["86400", "9" * 30, "-5", "soon", "3.5", "Wed, 21 Oct 2015 07:28:00 GMT",
     formatdate(4e9, usegmt=True), "$(id)", "1e9", "0x10", "08"],
)  # fmt: skip
def test_what_is_asked_for_is_capped(rig: Rig, tmp_path: Path, asked: str) -> None:
    case = rig.case("later", failing(Reply(503, b"", {"Retry-After": asked}), 1))
    slept = pauses(case, tmp_path / "tools")
    assert all(0 <= seconds <= 330 for seconds in slept), slept
    assert case.got == sha256(DATA)


def test_pauses_grow_and_have_jitter(rig: Rig, tmp_path: Path) -> None:
    """Eight runs that fail together do not come back together."""

    def measure(number: int) -> tuple[float, ...]:
        case = rig.case(f"run-{number}", failing(Reply(503), 99))
        return tuple(pauses(case, tmp_path / f"tools-{number}", COMFYFIX_PAUSE="4"))

    runs = side_by_side(measure, range(8))
    for slept in runs:
        assert len(slept) >= 3
        assert sum(slept[2:]) > 2 * slept[0] > 0
        assert max(slept) <= 330
    assert len(set(runs)) > 4, f"the pauses are the same in every run: {runs[0]}"


FAILURES = {
    "429": Reply(429), "500": Reply(500), "502": Reply(502), "503": Reply(503), "504": Reply(504),
    "408": Reply(408), "reset": Reply(0), "nothing of the body": cut(Reply(200, DATA), 0),
}  # fmt: skip


@pytest.mark.parametrize("where", ["the Hub", "the CDN"])
@pytest.mark.parametrize("name", FAILURES)
def test_after_five_tries_it_gives_up(rig: Rig, server: Server, name: str, where: str) -> None:
    assert Download().retries == TRIES
    thing = (failing if where == "the CDN" else refusing)(FAILURES[name], 999)
    case = rig.case("down", thing)
    done = case.run()
    assert done.returncode == 15, done.stdout
    asked = server.count("/cdn/" if where == "the CDN" else "/resolve/")
    # A kept connection that is reset before an answer curl tries once more by itself.
    assert asked <= TRIES * (2 if name == "reset" else 1), f"{asked} tries"
    assert case.got is None


@pytest.mark.parametrize("name", FAILURES)
def test_what_passes_is_tried_again(rig: Rig, server: Server, name: str) -> None:
    case = rig.case("down", failing(FAILURES[name], 2))
    done = case.run()
    assert done.returncode == 0, done.stdout
    assert case.got == sha256(DATA)
    assert case.left == [case.name]


NO = {
    "401": (Reply(401), 10), "403": (Reply(403), 10), "404": (Reply(404), 12),
    "410": (Reply(410), 12), "451": (Reply(451), 12),
    "gated": (Reply(403, b"", {"X-Error-Code": "GatedRepo"}), 11),
    "gated, no token": (Reply(401, b"", {"X-Error-Code": "GatedRepo"}), 10),
    "no repository": (Reply(401, b"", {"X-Error-Code": "RepoNotFound"}), 12),
}  # fmt: skip


@pytest.mark.parametrize("name", NO)
def test_what_says_no_is_asked_once(rig: Rig, server: Server, name: str) -> None:
    reply, code = NO[name]
    case = rig.case("no", refusing(reply, 999))
    done = case.run()
    assert done.returncode == code, done.stdout
    assert server.count("/resolve/") + server.count("/resolve/", "HEAD") == 1
    assert server.count("/cdn/") == 0
    assert case.left == []


@pytest.mark.parametrize("status", [401, 404, 410, 451])
def test_a_no_of_the_cdn_is_a_no_too(rig: Rig, server: Server, status: int) -> None:
    case = rig.case("no", failing(Reply(status), 999))
    done = case.run()
    assert done.returncode in (10, 12), done.stdout
    assert server.count("/cdn/") == 1
    assert case.left == []
