"""Orders for a run while it works: who may give them, and what comes of them."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import msgspec
import pytest

from comfyfix.dashboard.follow import Follow
from comfyfix.dashboard.orders import Orders
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.net import local
from comfyfix.screen.words import t
from comfyfix.state import journal
from comfyfix.state.orders import read_answer, read_order
from tests.inprocess import InProcess

LATE = "harbour_late.safetensors"
OTHER = file_for("something else.safetensors")


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    inprocess.workflow("w.json", ("upscale_models", "rife49.pth"), ("loras", LATE))
    return inprocess


@pytest.fixture
def at_fetch(hub: Hub) -> Callable[[Callable[[], object]], None]:
    """Let something happen once, when a file is asked for; the file is given afterwards."""
    done = threading.Event()

    def when(what: Callable[[], object]) -> None:
        def look(request: str) -> None:
            if request.startswith("file") and not done.is_set():
                done.set()
                what()

        hub.on_request = look

    return when


def order(site: InProcess, **told: Any) -> str:
    """What an order from the page comes to."""
    with closing(Follow(site.project().layout)) as follow:
        follow.look()
        body = {"run": follow.head.run, **told}
        return Orders(site.project().layout, follow)(msgspec.json.encode(body))


def late(follow: Follow) -> Any:
    return next(row for row in follow.whole().models if row.name == LATE)


def test_a_stop_ends_the_run_as_ctrl_c_does(
    site: InProcess, at_fetch: Callable[[Callable[[], object]], None]
) -> None:
    said: Queue[str] = Queue()
    at_fetch(lambda: said.put(order(site, do="stop")))
    assert site.run().code == 130
    # The run may be over before the one who gave the order has looked at the answer.
    assert said.get(timeout=30) == ""
    with closing(Follow(site.project().layout)) as follow:
        follow.look()
        assert follow.head.state == "stopped"
    assert not list(site.output.glob(".run_*"))


def test_a_model_that_failed_is_searched_again_in_the_same_run(
    site: InProcess, hub: Hub, at_fetch: Callable[[Callable[[], object]], None]
) -> None:
    said: list[str] = []

    def again() -> None:
        with closing(Follow(site.project().layout)) as follow:
            while not (follow.look() and late(follow).state == "failed"):
                pass
            hub.add("harbour/harbour_late", [LATE])
            said.append(order(site, do="retry", n=late(follow).n))

    at_fetch(again)
    ran = site.run()
    assert said == [""]
    assert ran.code == 0, ran
    assert t("Once more, as asked: {names}", names=[LATE]) in ran.out
    assert (site.models / "loras" / LATE).exists()
    assert len(journal.journals(site.project().layout)) == 2


def two_of_a_name(hub: Hub) -> None:
    hub.add("maker/harbour_late", [LATE]).downloads = 7000
    hub.add("other/harbour_late", [LATE], gated=False).files[LATE] = OTHER


def choices(follow: Follow) -> Any:
    while not (follow.look() and late(follow).choices):
        pass
    return {choice.where: choice for choice in late(follow).choices}


def test_a_chosen_file_is_fetched_in_the_same_run(
    site: InProcess, hub: Hub, at_fetch: Callable[[Callable[[], object]], None]
) -> None:
    two_of_a_name(hub)
    said: list[str] = []

    def choose() -> None:
        with closing(Follow(site.project().layout)) as follow:
            meant = choices(follow)["other/harbour_late"]
            assert meant.page.startswith("https://")
            said.append(order(site, do="choose", n=late(follow).n, url=meant.url))

    at_fetch(choose)
    ran = site.run()
    assert said == [""]
    assert ran.code == 0, ran
    assert (site.models / "loras" / LATE).read_bytes() == OTHER
    assert "other/harbour_late" in (site.root / "pins.yaml").read_text()


def test_what_changed_since_is_not_taken_and_the_run_ends(
    site: InProcess, hub: Hub, at_fetch: Callable[[Callable[[], object]], None]
) -> None:
    two_of_a_name(hub)

    def choose() -> None:
        with closing(Follow(site.project().layout)) as follow:
            meant = choices(follow)["other/harbour_late"]
            order(site, do="choose", n=late(follow).n, url=meant.url)
            del hub.repositories["other/harbour_late"]

    at_fetch(choose)
    ran = site.run()
    assert ran.code == 1
    assert not (site.root / "pins.yaml").exists()
    assert not (site.models / "loras" / LATE).exists()
    assert len(journal.journals(site.project().layout)) == 1


def test_only_what_the_run_has_found_can_be_chosen(
    site: InProcess, hub: Hub, at_fetch: Callable[[Callable[[], object]], None]
) -> None:
    two_of_a_name(hub)
    said: list[bool] = []

    def choose() -> None:
        with closing(Follow(site.project().layout)) as follow:
            url = choices(follow)["other/harbour_late"].url
            rows = {row.name: row.n for row in follow.whole().models}
            for n, address in (
                (rows["rife49.pth"], url),
                (rows[LATE], ""),
                (rows[LATE], url + "x"),
                (rows[LATE], "https://evil.example/a.safetensors"),
                (99, url),
            ):
                said.append(bool(order(site, do="choose", n=n, url=address)))

    at_fetch(choose)
    assert site.run().code == 1
    assert said == [True] * 5
    assert not (site.root / "pins.yaml").exists()


def test_what_has_not_failed_is_not_searched_again(
    site: InProcess, at_fetch: Callable[[Callable[[], object]], None]
) -> None:
    said: list[bool] = []

    def again() -> None:
        with closing(Follow(site.project().layout)) as follow:
            follow.look()
            rows = {row.name: row.n for row in follow.whole().models}
            orders = Orders(site.project().layout, follow)
            for n in (rows["rife49.pth"], 99, -1, None):
                said.append(bool(order(site, do="retry", n=n)))
            said.append(bool(orders(b'{"do": "stop", "run": "x"}')))
            said.append(bool(orders(b"no order")))

    at_fetch(again)
    assert site.run().code == 1
    assert said == [True] * 6


def test_a_run_that_is_over_takes_no_orders(site: InProcess) -> None:
    site.run()
    assert order(site, do="stop")


@pytest.fixture
def listening(tmp_path: Path) -> Any:
    heard: list[bytes] = []
    path = tmp_path / "a.sock"

    def answer(question: bytes) -> tuple[bytes, Callable[[], object]]:
        heard.append(question)
        return question[::-1], bool

    listener = local.Listener(path, answer)
    yield path, heard
    listener.close()
    assert not path.exists()


def test_a_question_is_answered(listening: Any) -> None:
    path, _ = listening
    assert path.stat().st_mode & 0o777 == 0o600
    assert local.ask(path, b"abc") == b"cba"
    assert local.ask(path, b"de") == b"ed"


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o777])
def test_a_socket_that_others_may_write_to_is_not_used(listening: Any, mode: int) -> None:
    path, heard = listening
    path.chmod(mode)
    with pytest.raises(local.NotOurs):
        local.ask(path, b"abc")
    assert heard == []


def test_what_is_anothers_is_not_used(
    listening: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, heard = listening
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(local.NotOurs):
        local.ask(path, b"abc")
    monkeypatch.undo()
    (tmp_path / "file").touch(0o600)
    (tmp_path / "link").symlink_to(path)
    for name in ("file", "link"):
        with pytest.raises(local.NotOurs):
            local.ask(tmp_path / name, b"abc")
    assert heard == []


def test_another_user_is_not_answered(listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path, heard = listening
    with socket.socket(socket.AF_UNIX) as line:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        line.connect(str(path))
        with suppress(ConnectionError):  # nobody reads it
            line.sendall(b"abc")
            line.shutdown(socket.SHUT_WR)
            assert line.recv(10) == b""
    assert heard == []


def test_too_long_a_question_is_not_answered(listening: Any) -> None:
    path, heard = listening
    with pytest.raises(OSError):  # reset, or nothing comes
        assert local.ask(path, b"x" * (local.MESSAGE_MAX * 4)) != b""
        raise OSError
    assert heard == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc here")
def test_a_path_may_be_long(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    listener = local.Listener(folder / "a.sock", lambda question: (question, bool))
    assert local.ask(folder / "a.sock", b"abc") == b"abc"
    listener.close()


def test_what_is_no_order_is_none() -> None:
    for body in (b"", b"{}", b'{"do":"kill","run":"x"}', b'{"do":"stop","run":"x","y":1}', b"\xff"):
        assert read_order(body) is None
    assert not read_answer(b"nonsense").done
