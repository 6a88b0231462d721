"""Bodies without an end, and answers a byte at a time: each comes to an end, and soon."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import ClassVar

import pytest

from comfyfix.errors import SourceDown
from comfyfix.net.http import Web
from comfyfix.records import because
from comfyfix.why import Why
from tests.faults.rig import Rig, file_of
from tests.faults.shelf import Thing

pytestmark = pytest.mark.faults
DATA = file_of(50_000)
BLOCK = b"\0" * (1 << 20)


class Endless(BaseHTTPRequestHandler):
    """Says yes, and never stops; `length` is what it tells of it, empty for nothing."""

    protocol_version = "HTTP/1.1"
    over: ClassVar[Event] = Event()
    length: ClassVar[str] = ""
    data: ClassVar[bytes] = b""
    pause: ClassVar[float] = 0.0
    head_first: ClassVar[bool] = True
    sent: ClassVar[list[int]] = []

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send for ever."""
        kind = type(self)
        try:
            if kind.pause and not kind.head_first:
                self._drip(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"a" * 100_000)
                return
            self.send_response(200)
            self.send_header("ETag", '"one"')
            if kind.length:
                self.send_header("Content-Length", kind.length)
            else:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if kind.pause:
                self._drip(b" " * 100_000)
            else:
                self._pour()
        except OSError:
            pass
        self.close_connection = True

    def _drip(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if type(self).over.wait(type(self).pause):
                return

    def _pour(self) -> None:
        kind = type(self)
        first = kind.data
        while not kind.over.is_set():
            piece, first = first or BLOCK, b""
            head = b"" if kind.length else f"{len(piece):x}\r\n".encode()
            self.wfile.write(head + piece + (b"" if kind.length else b"\r\n"))
            kind.sent.append(len(piece))
            if sum(kind.sent) > 4 << 30:
                raise AssertionError("nobody has stopped it")


@pytest.fixture
def endless() -> Iterator[tuple[type[Endless], str]]:
    class Fresh(Endless):
        """With a state of its own."""

    kind = Fresh
    kind.over, kind.sent = Event(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield kind, f"http://127.0.0.1:{server.server_address[1]}"
    kind.over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("head_first", [True, False], ids=["body", "head"])
@pytest.mark.parametrize("method", ["get", "peek", "head", "post_json"])
def test_an_answer_a_byte_at_a_time_is_none(
    endless: tuple[type[Endless], str], head_first: bool, method: str
) -> None:
    kind, url = endless
    kind.pause, kind.head_first, kind.length = 0.2, head_first, "100000"
    kind.do_HEAD = kind.do_POST = kind.do_GET  # type: ignore[attr-defined]
    web = Web({}, seconds=2.0)
    if head_first and method in ("peek", "head"):
        return  # of these only the head is wanted, and it is there
    begun = time.monotonic()
    with pytest.raises(SourceDown) as caught:
        web.post_json(url, []) if method == "post_json" else getattr(web, method)(url)
    assert caught.value.reason.told["cause"] == because(Why.ANSWER_LATE)
    assert time.monotonic() - begun < 20


def test_the_next_question_is_asked_anew(endless: tuple[type[Endless], str]) -> None:
    kind, url = endless
    kind.pause, kind.length = 0.2, "100000"
    web = Web({}, seconds=1.0)
    for _ in range(2):
        with pytest.raises(SourceDown) as caught:
            web.get(url)
        assert caught.value.reason.told["cause"] == because(Why.ANSWER_LATE)


LARGE = file_of(70 << 20)
MIB = 1 << 20


@pytest.mark.parametrize("length", ["", str(1 << 40)], ids=["chunked", "too long"])
@pytest.mark.parametrize("right", [True, False], ids=["right, then more", "zeros"])
@pytest.mark.parametrize("data", [DATA, LARGE], ids=["small", "large"])
def test_a_body_without_an_end_is_stopped_at_the_size(
    rig: Rig, endless: tuple[type[Endless], str], length: str, right: bool, data: bytes
) -> None:
    kind, url = endless
    kind.length, kind.data = length, data if right else b""
    case = rig.case("endless", Thing(data), retries=2)
    begun = time.monotonic()
    done = case.run(HF_ENDPOINT=url)
    assert time.monotonic() - begun < 120
    assert done.returncode in {14, 15}, done.stdout
    assert done.stdout.count("Next: ") == 1
    assert not case.final.exists()
    tries = 4  # at once, and what a restart costs
    assert sum(kind.sent) < tries * (len(data) + 32 * MIB)
    assert sum((case.folder / name).stat().st_size for name in case.left) <= len(data)


def test_a_body_of_unknown_size_stops_at_the_reserve(
    rig: Rig, endless: tuple[type[Endless], str]
) -> None:
    kind, url = endless
    room = 300 * MIB
    reserve = shutil.disk_usage(rig.root).free - room
    case = rig.case("endless", Thing(DATA), size=None, sha256=None, reserve=reserve, retries=2)
    done = case.run(HF_ENDPOINT=url)
    assert done.returncode == 13, done.stdout
    assert "Not enough space" in done.stdout
    assert sum(kind.sent) < 2 * room
    assert not case.final.exists()
