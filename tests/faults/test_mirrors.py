"""Mirrors at full size: each transfer cut once, a thousand wrong bodies, and nobody else asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.mirror import name_of
from comfyfix.settings.overrides import LOCK_FILE
from tests.buckets import Buckets
from tests.faults.server import Ask, Reply, Server
from tests.faults.shelf import proper
from tests.google_buckets import GoogleBuckets
from tests.inprocess import InProcess

REPO = "harbour/many_lamps"
BYTES = 70_000


def data_of(name: str, size: int = BYTES) -> bytes:
    """A file that is safe to load, and like no other."""
    head = f'{{"w":{{"dtype":"U8","shape":[{size}],"data_offsets":[0,{size}]}}}}'.encode()
    head += b" " * (-len(head) % 8)
    seed = hashlib.sha256(name.encode()).digest()
    return len(head).to_bytes(8, "little") + head + (seed * (size // 32 + 1))[:size]


def locked(site: InProcess, hub: Hub, count: int, *, large: int = 0) -> dict[str, bytes]:
    """A project that needs many models, with the lock file that names them; returns their bytes."""
    files = {f"lamp_{n:04d}.safetensors": data_of(f"lamp {n}") for n in range(count - large)}
    for n in range(large):  # beyond what a bucket takes in one part
        name = f"lamp_large_{n}.safetensors"
        files[name] = data_of(name, 40 << 20)
    repository = hub.add(REPO, [])
    repository.files.update(files)
    base = f"https://huggingface.co/{REPO}/resolve/{repository.commit}"
    entries = [
        Entry(
            folder="loras",
            path=name,
            source="huggingface",
            url=f"{base}/{name}",
            size=len(data),
            sha256=sha256(data),
        )
        for name, data in files.items()
    ]
    lock = Lock(site.root / LOCK_FILE, exists=True).with_entries(entries)
    lock.path.write_text(lockfile.text(lock))
    site.workflow("w.json", *(("loras", name) for name in files))
    site.manifest(download={"parallel": 6, "retries": 4})
    return files


def brought(site: InProcess) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()) for path in (site.models / "loras").iterdir()}


@pytest.fixture(params=["s3", "gs"])
def buckets(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Buckets]:
    pytest.importorskip("obstore")
    account = tmp_path_factory.mktemp("account") / "account.json"
    with Buckets() if request.param == "s3" else GoogleBuckets(account) as server:
        yield server


def sizes(sample: int, full: int) -> pytest.MarkDecorator:
    """A test of a sample, and of its full size as a proof."""
    told = [pytest.param(sample, marks=pytest.mark.faults)]
    told.append(pytest.param(full, marks=[pytest.mark.proof, pytest.mark.timeout(3600)]))
    return pytest.mark.parametrize("count", told)


@sizes(20, 200)
def test_all_models_are_filled_and_read_back_though_each_transfer_is_cut(
    inprocess: InProcess, hub: Hub, buckets: Buckets, count: int
) -> None:
    files = locked(inprocess, hub, count, large=2)
    right = {name: sha256(data) for name, data in files.items()}
    for number, (name, data) in enumerate(files.items()):
        if number % 2:  # half of them are here, the others come from the origin
            inprocess.put("loras", name, data)
        else:
            hub.faults.append(Fault(f"file *{name}", "cut", times=1))
    buckets.cut_once = {"every PUT", "every GET"}
    place = f"{buckets.scheme}://models"
    done = inprocess.run("mirror", place, **buckets.environment)
    assert done.code == 0, done.out[-2000:] + done.err
    assert [fault.times for fault in hub.faults] == [0] * (count // 2)  # each has been cut
    assert {path: sha256(data) for path, data in buckets.objects.items()} == {
        f"/models/{name_of(digest)}": digest for digest in right.values()
    }
    for path in (inprocess.models / "loras").iterdir():
        path.unlink()
    hub.seen.clear()
    done = inprocess.run("--locked", COMFYFIX_MIRROR=place, **buckets.environment)
    assert done.code == 0, done.out[-2000:] + done.err
    assert brought(inprocess) == right
    assert hub.seen == []
    cut = {f"{method} /models/{name_of(d)}" for d in right.values() for method in ("PUT", "GET")}
    assert cut <= buckets.cut_once  # each has been


def _page(data: bytes) -> bytes:
    return b"<!DOCTYPE html><title>Sign in</title>".ljust(len(data))


WRONG: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: bytes(len(data)),
    lambda data: data[:-1] + bytes((data[-1] ^ 1,)),
    lambda data: data[: len(data) // 2],
    lambda data: data + b"\0",
    lambda _: b"",
    _page,
)


@sizes(24, 1000)
def test_of_many_wrong_bodies_none_becomes_a_file(
    inprocess: InProcess, hub: Hub, tmp_path: Path, count: int
) -> None:
    files = locked(inprocess, hub, count)
    bodies = {
        f"/{name_of(sha256(data))}": WRONG[number % len(WRONG)](data)
        for number, data in enumerate(files.values())
    }

    def answer(ask: Ask) -> Reply:
        return proper(bodies[ask.path], ask, mark="")

    with Server(answer) as mirror:
        done = inprocess.run("--locked", COMFYFIX_MIRROR=mirror.url)
        assert done.code == 0, done.out[-2000:] + done.err
        assert {seen.ask.path for seen in mirror.seen} == set(bodies)
    assert brought(inprocess) == {name: sha256(data) for name, data in files.items()}
    origin = {seen.path for seen in hub.seen if "/resolve/" in seen.path}
    assert len(origin) == count
