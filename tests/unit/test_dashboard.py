"""The live page on loopback: who is let in, and what he is told."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from comfyfix.dashboard.follow import Follow
from comfyfix.dashboard.page import page
from comfyfix.dashboard.server import BODY_MAX, app
from comfyfix.state.journal import Said
from comfyfix.state.layout import Layout
from tests.served import TOKEN, Served, served
from tests.told_run import ToldRun
from tests.unit.test_page import Page

PATHS = ("/", "/page.css", "/page.js", "/events")


@pytest.fixture
def ordered() -> list[bytes]:
    return []


@pytest.fixture
def shown(tmp_path: Path, ordered: list[bytes]) -> Iterator[Served]:
    def order(body: bytes) -> str:
        ordered.append(body)
        return "no" if body == b"bad" else ""

    with served(tmp_path, order=order) as running:
        yield running


@contextmanager
def listening(page: Served) -> Iterator[BinaryIO]:
    """The events of a page, as a browser gets them."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as line:
        head = f"GET /events?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n"
        line.sendall(head.encode())
        with line.makefile("rb") as stream:
            while stream.readline() != b"\r\n":
                pass
            yield stream


def told(stream: BinaryIO) -> Any:
    """The next thing that is told."""
    while not (line := stream.readline()).startswith(b"data: "):
        assert line
    return json.loads(line[6:])


@pytest.mark.parametrize("path", PATHS)
def test_nobody_without_the_token_is_let_in(shown: Served, path: str) -> None:
    for query in ("", "?token=", "?token=x", f"?token={TOKEN}x", f"?tok={TOKEN}", "?token=%ff"):
        assert shown.ask(path + query)[0] == 403
    assert shown.ask(f"/control?token={TOKEN}x", "POST", b"{}", origin=origin(shown))[0] == 403


def origin(shown: Served) -> str:
    return f"http://127.0.0.1:{shown.port}"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "", "0.0.0.0:{port}"],
)
def test_a_page_by_another_name_is_refused(shown: Served, host: str) -> None:
    told = host.format(port=shown.port)
    assert shown.ask(f"/?token={TOKEN}", host=told)[0] in (400, 421)
    assert shown.ask(f"/?token={TOKEN}", host=f"localhost:{shown.port}")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"}, {"origin": "http://127.0.0.1:1"},
        {"origin": "https://127.0.0.1:{port}"}, {"origin": ""},
    ],
)  # fmt: skip
def test_what_comes_from_another_page_is_refused(
    shown: Served, headers: dict[str, str], ordered: list[bytes]
) -> None:
    headers = {name: value.format(port=shown.port) for name, value in headers.items()}
    assert shown.ask(f"/?token={TOKEN}", "GET", None, **headers)[0] == 403
    assert shown.ask(f"/control?token={TOKEN}", "POST", b"{}", **headers)[0] == 403
    assert ordered == []


@pytest.mark.parametrize(
    ("name", "first", "second", "code"),
    [
        ("host", "localhost:7", "evil.example", 400),
        ("origin", "http://localhost:7", "http://evil.example", 400),
        ("sec-fetch-site", "same-origin", "cross-site", 403),
        ("sec-fetch-site", "same-origin", "none", None),
        ("x", "1", "2", None),
    ],
)
def test_what_is_said_twice_must_be_ours_both_times(
    tmp_path: Path, name: str, first: str, second: str, code: int | None
) -> None:
    with closing(Follow(Layout(tmp_path))) as follow:
        guard = app(follow, TOKEN, 7, None)
        headers = [(b"host", b"localhost:7")] if name != "host" else []
        for values in ((first, second), (second, first)):
            said = [*headers, *((name.encode(), value.encode()) for value in values)]
            scope = {"method": "GET", "headers": said, "query_string": f"token={TOKEN}".encode()}
            assert guard._refusal({"type": "http", **scope}) == code


def test_an_order_needs_the_origin_of_the_page(shown: Served, ordered: list[bytes]) -> None:
    path = f"/control?token={TOKEN}"
    assert shown.ask(path, "POST", b"{}")[0] == 403
    assert shown.ask(path, origin=origin(shown))[0] == 405
    assert ordered == []
    assert shown.ask(path, "POST", b"{}", origin=origin(shown))[0] == 200
    status, _, answer = shown.ask(path, "POST", b"bad", origin=origin(shown))
    assert (status, json.loads(answer)) == (409, {"wrong": "no"})
    assert ordered == [b"{}", b"bad"]
    assert shown.ask(path, "POST", b"x" * (BODY_MAX + 1), origin=origin(shown))[0] == 413
    assert len(ordered) == 2


def test_a_page_without_control_takes_no_orders(tmp_path: Path) -> None:
    with served(tmp_path) as shown:
        path = f"/control?token={TOKEN}"
        assert shown.ask(path, "POST", b"{}", origin=origin(shown))[0] == 404


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/nothing"])
def test_every_answer_says_what_a_browser_may_do(shown: Served, path: str) -> None:
    for query in (f"?token={TOKEN}", ""):
        _, headers, _ = shown.ask(path + query)
        rules = dict(
            rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";")
        )
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_it_is_served_on_loopback_alone(shown: Served) -> None:
    assert shown.address.startswith("http://127.0.0.1:")
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", shown.port), timeout=1):
        pass


@pytest.mark.parametrize("control", [True, False])
def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(control: bool) -> None:
    made = Page(page(TOKEN, control=control))
    assert made.inline == {}
    for tag, attrs in made.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "style"], tag
        for name in ("src", "href", "action"):
            assert re.match(rf"page\.(css|js)\?token={TOKEN}$|data:,$|#", attrs.get(name) or "#")
    assert bool([a for _, a in made.elements if a.get("id") == "stop"]) is control


def test_viewers_are_told_all_and_then_what_changes(tmp_path: Path) -> None:
    run = ToldRun(tmp_path, models=1000)
    with served(tmp_path) as shown, listening(shown) as one, listening(shown) as other:
        for stream in (one, other):
            first = told(stream)
            while not first.get("models"):
                first = told(stream)
            assert first["whole"]
            assert len(first["models"]) == 1000
        run.tell(Said(n=3, text="<b>news</b>\u202e"))
        for stream in (one, other):
            assert [(m["n"], m["said"]) for m in told(stream)["models"]] == [
                (3, "<b>news</b>\\u202e")
            ]
        run.end(code=0)
        assert told(one)["head"]["state"] == "ended"


def test_a_request_without_an_end_is_not_kept(shown: Served) -> None:
    with socket.create_connection(("127.0.0.1", shown.port), timeout=10) as line:
        line.sendall(b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000)
        assert b" 400 " in line.recv(100)
