"""The relay hands on what it can't read, to those who know its secret, as fast as it is allowed."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from comfyfix.net.relay.relay import STRANGERS_MAX, Relay
from tests.proxies import proxy

FAST = {"total": 1_000_000_000}
SECONDS = 20  # that nothing here takes
LOCAL = "127.0.0.1"
_LOOK_UP = socket.getaddrinfo


@contextmanager
def serving(body: bytes = b"", *, echo: bool = False) -> Iterator[int]:
    """A server that sends a body to each who connects, or says again what it hears."""
    listener = socket.create_server((LOCAL, 0))

    def one(line: socket.socket) -> None:
        with suppress(OSError), line:
            line.sendall(body)
            while echo and (heard := line.recv(65536)):
                line.sendall(heard)

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                threading.Thread(target=one, args=(line,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def numbers_alone(*asked: Any, **options: Any) -> Any:
    """As a machine without a resolver, which no test may ask."""
    return _LOOK_UP(*asked[:5], **options | {"flags": socket.AI_NUMERICHOST})


class Asking:
    """One connection to the relay that an environment names."""

    def __init__(self, env: dict[str, str], *, secret: str | None = None) -> None:
        parts = urlsplit(env["https_proxy"])
        self.port = parts.port or 0
        user = f"{parts.username}:{parts.password if secret is None else secret}"
        self.told = b"Proxy-Authorization: Basic " + base64.b64encode(user.encode())
        self.line = socket.create_connection((LOCAL, self.port), SECONDS)

    def say(self, line: str, *headers: bytes) -> bytes:
        """Ask, and return the head of the answer."""
        self.line.sendall(b"\r\n".join([line.encode(), self.told, *headers, b"", b""]))
        head = b""
        while b"\r\n\r\n" not in head and (piece := self.line.recv(1)):
            head += piece
        return head

    def status(self, line: str, *headers: bytes) -> str:
        return self.say(line, *headers).decode().partition(" ")[2][:3]

    def rest(self) -> bytes:
        """All that comes until the other side has ended."""
        heard = b""
        while piece := self.line.recv(1 << 20):
            heard += piece
        return heard

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()


def lent(
    relay: Relay, port: int, env: dict[str, str] | None = None
) -> AbstractContextManager[dict[str, str]]:
    """As a script of a service at this port has it."""
    return relay.lent(env or {}, "https://huggingface.co/a", f"http://{LOCAL}:{port}")


def test_a_tunnel_carries_both_ways_what_nobody_reads() -> None:
    with serving(echo=True) as port, lent(Relay(FAST, {}), port) as env, Asking(env) as one:
        assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
        said = b"\x16\x03\x01 no words\r\n\r\n" * 1000
        one.line.sendall(said)
        heard = b""
        while len(heard) < len(said):
            heard += one.line.recv(65536)
        assert heard == said


def test_what_came_before_the_end_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000
    with serving(body) as port, lent(Relay(FAST, {}), port) as env, Asking(env) as one:
        assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
        assert one.rest() == body


def test_a_plain_question_is_handed_on_without_the_secret() -> None:
    with serving(echo=True) as port, lent(Relay(FAST, {}), port) as env, Asking(env) as one:
        one.line.settimeout(1)
        first = one.say(f"GET http://{LOCAL}:{port}/a/b?c=d HTTP/1.1", b"Range: bytes=0-9")
        lines = first.decode().split("\r\n")
        assert lines[:3] == ["GET /a/b?c=d HTTP/1.1", "Range: bytes=0-9", "Connection: close"]
        # A second question on the same connection would go to whoever is at its other end.
        one.line.sendall(b"GET http://elsewhere/ HTTP/1.1\r\n" + one.told + b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            one.line.recv(1)


@pytest.mark.parametrize("secret", ["", "another"])
def test_who_does_not_know_the_secret_gets_nothing(secret: str) -> None:
    with (
        serving(b"here") as port,
        lent(Relay(FAST, {}), port) as env,
        Asking(env, secret=secret) as one,
    ):
        assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "407"
        assert one.rest() == b""


def test_a_secret_is_good_while_its_script_runs_and_no_longer() -> None:
    relay = Relay(FAST, {})
    with serving(echo=True) as port, lent(relay, port) as other:
        with lent(relay, port) as env, Asking(env) as one:
            assert env["https_proxy"] != other["https_proxy"]
            assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
            alive = Asking(env)
        with alive:
            assert alive.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "407"
        with Asking(other) as one:
            assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
    with pytest.raises(ConnectionRefusedError):  # nobody needs it, so nobody listens
        Asking(other)


def test_what_a_script_leaves_open_ends_with_it() -> None:
    relay = Relay(FAST, {})
    with serving(echo=True) as port, lent(relay, port):
        with lent(relay, port) as env:
            one = Asking(env)
            assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
        with one, suppress(ConnectionResetError):
            assert one.line.recv(1) == b""


def test_others_who_say_nothing_keep_nobody_out() -> None:
    with serving(b"here") as port, lent(Relay(FAST, {}), port) as env:
        silent = [Asking(env) for _ in range(2 * STRANGERS_MAX)]
        try:
            with Asking(env) as one:
                assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
        finally:
            for each in silent:
                each.line.close()


@pytest.mark.parametrize(
    ("target", "endpoint", "status"),
    [
        ("127.0.0.1:{port}", "", "403"),  # a stranger's script asks what is public
        ("10.0.0.1:443", "", "403"),
        ("[::1]:{port}", "", "403"),
        ("169.254.169.254:80", "http://127.0.0.1:1", "403"),
        ("[::ffff:169.254.169.254]:80", "http://127.0.0.1:1", "403"),
        ("127.0.0.1:{port}", "http://127.0.0.1:1", "200"),  # a storage of yours may be near
        ("127.0.0.1:1", "http://127.0.0.1:1", "597"),
        ("no-such-host.invalid:443", "http://127.0.0.1:1", "596"),
    ],
)
def test_a_script_is_held_to_what_it_may_ask(
    target: str, endpoint: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", numbers_alone)
    relay = Relay(FAST, {})
    with (
        serving(b"here") as port,
        relay.lent({}, "https://example.com/x", endpoint) as env,
        Asking(env) as one,
    ):
        assert one.status(f"CONNECT {target.format(port=port)} HTTP/1.1") == status


def test_a_mirror_is_asked_wherever_it_is_and_keeps_its_own_limit() -> None:
    page = "https://hub.example.com/x"
    limits = {"hub.example.com": 1}  # a byte a second
    with serving(b"here") as port, serving(b"never") as other:
        mirrors = [f"https://{LOCAL}:{port}/models", f"http://{LOCAL}:{port}/m?signed=1"]
        with Relay(limits, {}).lent({}, page, "", mirrors) as env:
            with Asking(env) as one:
                assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
                assert one.rest() == b"here"
            with Asking(env) as one:
                assert one.status(f"CONNECT {LOCAL}:{other} HTTP/1.1") == "403"


@pytest.mark.parametrize(
    "line",
    [
        "POST http://127.0.0.1/ HTTP/1.1",
        "GET /here HTTP/1.1",
        "GET https://127.0.0.1/ HTTP/1.1",
        "GET ftp://127.0.0.1/ HTTP/1.1",
    ],
)
def test_it_does_what_scripts_need_and_nothing_else(line: str) -> None:
    with lent(Relay(FAST, {}), 1) as env, Asking(env) as one:
        assert one.status(line) == "405"


@pytest.mark.parametrize("line", ["", "\0\0\0", "CONNECT", "CONNECT :x HTTP/1.1", "é é é"])
def test_noise_ends_one_connection_and_no_other(line: str) -> None:
    with serving(b"here") as port, lent(Relay(FAST, {}), port) as env:
        with Asking(env) as one, suppress(ConnectionResetError):
            assert one.say(line) == b""
        with Asking(env) as one:
            assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"


def test_it_goes_by_the_users_own_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which alone knows the name, and wants to know who asks."""
    monkeypatch.setenv("NO_PROXY", f"example.org,{LOCAL}")
    monkeypatch.delenv("no_proxy", raising=False)
    with (
        serving(b"here") as port,
        proxy({"hub.example.com:443": (LOCAL, port)}, "corp:se%2Fcret") as between,
    ):
        between.user = "corp:se/cret"
        relay = Relay(FAST, {"HTTPS_PROXY": between.url})
        with lent(relay, port) as env:
            with Asking(env) as one:
                assert one.status("CONNECT hub.example.com:443 HTTP/1.1") == "200"
                assert one.rest() == b"here"
            between.user = "another"
            with Asking(env) as one:
                assert one.status("CONNECT hub.example.com:443 HTTP/1.1") == "407"
            with Asking(env) as one:
                assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
    assert between.asked == ["CONNECT hub.example.com:443 HTTP/1.1"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "http://:1"])
def test_a_proxy_that_is_none_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    relay = Relay(FAST, {"HTTPS_PROXY": address})
    with relay.lent({}, "https://hub.example.com/", "") as env, Asking(env) as one:
        assert one.status("CONNECT hub.example.com:443 HTTP/1.1") == "595"


def test_the_environment_names_no_other_proxy() -> None:
    told = {"ALL_PROXY": "a", "HTTPS_PROXY": "b", "No_Proxy": "*", "no_proxy": "*", "HOME": "/h"}
    with lent(Relay(FAST, {}), 1, told) as env:
        assert env.keys() == {"HOME", "http_proxy", "https_proxy"}
        assert env["http_proxy"] == env["https_proxy"]


SIZE = 300_000


def seconds_for(limits: dict[str, int], *pages: str) -> float:
    """What it takes until a body has come by each of these addresses, at the same time."""
    relay = Relay(limits, {})

    def fetch(page: str) -> int:
        with relay.lent({}, page, f"http://{LOCAL}:{port}") as env, Asking(env) as one:
            assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
            return len(one.rest())

    with serving(bytes(SIZE)) as port, ThreadPoolExecutor(len(pages)) as pool:
        begun = time.monotonic()
        assert list(pool.map(fetch, pages)) == [SIZE] * len(pages)
        return time.monotonic() - begun


def test_all_together_keep_one_limit() -> None:
    """No faster: how much slower a busy machine makes it is told by the benchmark."""
    assert seconds_for({"total": 1_500_000}, *["https://huggingface.co/a"] * 4) >= 0.6


def test_a_host_has_a_limit_of_its_own_below_that() -> None:
    limits = {"total": 100_000_000, "huggingface.co": 500_000}
    assert seconds_for(limits, "https://huggingface.co/a", "https://civitai.com/b") >= 0.4
    assert seconds_for(limits, "https://cdn.huggingface.co/a") >= 0.4
    assert seconds_for({"127.0.0.1": 500_000}, "https://huggingface.co/a") >= 0.4


def test_the_share_of_one_who_has_ended_goes_to_the_others() -> None:
    """Of two, one ends at once: the other must not go on at half the speed."""
    relay = Relay({"total": 1_000_000}, {})
    with serving(bytes(1_000_000)) as port, lent(relay, port) as env, Asking(env) as one:
        assert one.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
        with Asking(env) as other:
            assert other.status(f"CONNECT {LOCAL}:{port} HTTP/1.1") == "200"
            other.line.recv(1)
        cpu = time.process_time()
        begun = time.monotonic()
        assert len(one.rest()) == 1_000_000
        # Half the speed would take 2 s; the machine may be busy, but not for all of the rest.
        assert time.monotonic() - begun < 1.9 + 10 * (time.process_time() - cpu)
