"""A large file over several connections: where a server limits each, where it does not, and when
it changes its mind in the middle. A hundred megabytes each, so no more of them than it takes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from comfyfix.demo.hub import sha256
from comfyfix.disk.files import sha256_of
from comfyfix.records import Model, Record
from tests.rig import Site, children_of, is_alive, put_script

MIB = 1 << 20
NAME = "large.safetensors"
SIZE = 96 * MIB + 12_345
DATA = b"".join(hashlib.sha256(str(n).encode()).digest() * (MIB // 32) for n in range(97))[:SIZE]
DIGEST = hashlib.sha256(DATA).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Storage(BaseHTTPRequestHandler):
    """The Hub and its storage in one: a redirect, then bytes at a chosen speed."""

    protocol_version = "HTTP/1.1"
    rate: ClassVar[float] = 0  # bytes a second and connection; 0 is no limit
    ranges: ClassVar[bool] = True
    expires_after: ClassVar[int] = 0  # requests that the first address is good for; 0 for ever
    changes_after: ClassVar[int] = 0  # requests until another object lies there; 0 never
    crowded: ClassVar[range] = range(0)  # requests that get an eighth of the rate
    data: ClassVar[bytes] = DATA
    counted: ClassVar[int] = 0  # the first request that counts among the busy
    busy: ClassVar[set[int]] = set()  # requests that are being answered
    most: ClassVar[int] = 0  # of them at a time
    asked: ClassVar[list[str]] = []
    sent: ClassVar[list[int]] = []
    signed: ClassVar[int] = 0
    lock: ClassVar[threading.Lock] = threading.Lock()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        kind = type(self)
        if "/resolve/" in self.path:
            with kind.lock:
                kind.signed += 1
                where = f"/storage/{kind.signed}/0"
            self._head(302, {"Location": where, "Content-Length": "0"})
            return
        with kind.lock:
            kind.asked.append(self.headers.get("Range", ""))
            number = len(kind.asked)
        first = self.path.split("/")[2] == "1"
        if kind.expires_after and first and number > kind.expires_after:
            self._head(403, {"Content-Length": "0"})
            return
        changed = bool(kind.changes_after) and number > kind.changes_after
        with kind.lock:
            if number >= kind.counted:
                kind.busy.add(number)
            kind.most = max(kind.most, len(kind.busy))
        rate = kind.rate / 8 if number in kind.crowded else kind.rate
        self._bytes(bytes(SIZE) if changed else kind.data, '"other"' if changed else '"one"', rate)
        with kind.lock:
            kind.busy.discard(number)

    def _bytes(self, data: bytes, etag: str, rate: float) -> None:
        kind = type(self)
        asked = self.headers.get("Range") if kind.ranges else None
        start, end, status, headers = 0, len(data), 200, {"ETag": etag}
        if asked and self.headers.get("If-Range", etag) == etag:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), int(last or len(data) - 1) + 1, 206
            end = min(end, len(data))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        self._head(status, headers | {"Content-Length": str(end - start)})
        began, block = time.monotonic(), 1 << 17
        for at in range(start, end, block):
            piece = memoryview(data)[at : min(end, at + block)]
            try:
                self.wfile.write(piece)
            except OSError:
                return
            kind.sent.append(len(piece))
            if rate:
                ahead = began + (at + block - start) / rate - time.monotonic()
                time.sleep(max(0.0, ahead))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def storage() -> Iterator[tuple[type[Storage], str]]:
    kind = type(
        "Fresh", (Storage,), {"asked": [], "sent": [], "busy": set(), "lock": threading.Lock()}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield kind, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def script_for(site: Site, sha256: str | None = DIGEST, size: int | None = SIZE) -> Path:
    record = Record(
        number=1,
        model=Model(folder="loras", path=NAME),
        destination=str(site.models / "loras" / NAME),
        store=str(site.models),
        source="huggingface",
        where="a/b",
        url=f"https://huggingface.co/a/b/resolve/{COMMIT}/{NAME}",
        size=size or SIZE,
        size_exact=size is not None,
        sha256=sha256,
    )
    return put_script(site.root / "download.sh", record, retries=3, reserve=0)


def check(site: Site) -> None:
    """The right file under its name, and nothing else in its folder."""
    folder = site.models / "loras"
    assert hashlib.sha256((folder / NAME).read_bytes()).hexdigest() == DIGEST
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_more_connections_where_each_is_limited(
    site: Site, storage: tuple[type[Storage], str]
) -> None:
    kind, url = storage
    kind.rate = 30 * MIB
    done = site.script(script_for(site), HF_ENDPOINT=url)
    assert done.returncode == 0, done.stdout
    check(site)
    assert len(kind.asked) > 4
    assert sum(kind.sent) == SIZE  # no byte twice
    assert kind.signed == 1  # the way is asked for once


@pytest.mark.soak  # a gigabyte: with less there is no time to see it
def test_more_connections_again_when_the_line_is_free(
    site: Site, storage: tuple[type[Storage], str]
) -> None:
    kind, url = storage
    size = 1024 * MIB
    # The first, then sixteen whose speed is compared; what each goes on with is not counted.
    kind.crowded, kind.counted = range(2, 18), 34
    kind.data, kind.rate = bytes(size), 16 * MIB  # little enough for a busy machine
    script = script_for(site, hashlib.sha256(kind.data).hexdigest(), size)
    done = site.script(script, HF_ENDPOINT=url)
    assert done.returncode == 0, done.stdout
    assert (site.models / "loras" / NAME).stat().st_size == size
    assert sum(kind.sent) == size
    # When speeds were compared sixteen were twice as fast as one: four would have done.
    assert kind.most > 6


@pytest.mark.parametrize("size", [SIZE, None])
def test_one_connection_where_it_is_fast(
    site: Site, storage: tuple[type[Storage], str], size: int | None
) -> None:
    kind, url = storage
    done = site.script(script_for(site, size=size), HF_ENDPOINT=url)
    assert done.returncode == 0, done.stdout
    check(site)
    assert sum(kind.sent) == SIZE


def test_one_connection_where_ranges_are_ignored(
    site: Site, storage: tuple[type[Storage], str]
) -> None:
    kind, url = storage
    kind.ranges = False
    done = site.script(script_for(site), HF_ENDPOINT=url)
    assert done.returncode == 0, done.stdout
    check(site)
    assert len(kind.asked) == 1


def test_signed_addresses_expire_in_the_middle(
    site: Site, storage: tuple[type[Storage], str]
) -> None:
    kind, url = storage
    kind.rate, kind.expires_after = 30 * MIB, 4
    done = site.script(script_for(site), HF_ENDPOINT=url)
    assert done.returncode == 0, done.stdout
    check(site)
    assert kind.signed > 1
    assert sum(kind.sent) == SIZE


@pytest.mark.parametrize("digest", [DIGEST, None])
def test_another_object_in_the_middle_is_never_mixed_in(
    site: Site, storage: tuple[type[Storage], str], digest: str | None
) -> None:
    kind, url = storage
    kind.rate, kind.changes_after = 60 * MIB, 3
    done = site.script(script_for(site, digest), HF_ENDPOINT=url)
    folder = site.models / "loras"
    if digest:
        assert done.returncode == 14, done.stdout
        assert list(folder.iterdir()) == []
    else:
        assert done.returncode == 0, done.stdout
        assert sha256_of(folder / NAME) == sha256(bytes(SIZE))
        assert f"sha256: {hashlib.sha256(bytes(SIZE)).hexdigest()}" in done.stdout


@pytest.mark.soak  # a hundred megabytes several times
def test_killed_in_the_middle_little_is_fetched_again(
    site: Site, storage: tuple[type[Storage], str]
) -> None:
    kind, url = storage
    kind.rate = 2 * MIB  # a second between one note of what is there and the kill
    script = script_for(site)
    with subprocess.Popen(
        ["bash", str(script)], env=site.environment(HF_ENDPOINT=url), stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:  # fmt: skip
        pause = threading.Event()
        while sum(kind.sent) < SIZE // 2:
            pause.wait(0.02)
        below = children_of(running.pid)
        os.killpg(running.pid, signal.SIGKILL)
    kind.rate, before = 0, sum(kind.sent)
    done = site.script(script, HF_ENDPOINT=url)
    assert done.returncode == 0, done.stdout
    check(site)
    assert sum(kind.sent) - before <= 0.6 * SIZE
    assert not any(is_alive(pid) for pid in below)
