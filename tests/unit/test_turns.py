"""Changes of one state file by many threads: none is lost, and a large file is written seldom."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic
from comfyfix.stopping import Stopped
from tests.faults.rig import wait_until

THREADS, EACH = 16, 3


class Names(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    names: tuple[str, ...] = ()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How large the file was each time that it was written."""
    sizes: list[int] = []

    def noting(path: Path, data: bytes) -> None:
        sizes.append(len(data))
        write_atomic(path, data)

    monkeypatch.setattr(json_file, "write_atomic", noting)
    return sizes


def add(path: Path, name: str) -> Names:
    def update(old: Names) -> Names:
        if name == "unfit":
            raise ValueError(name)
        return Names(names=(*old.names, name))

    return json_file.change(path, path.with_name("lock"), Names, Names, update).content


def add_all(path: Path) -> None:
    """Let many threads add their names; each sees its own in what it is told."""
    begin = threading.Barrier(THREADS)

    def work(thread: int) -> None:
        begin.wait()
        for number in range(EACH):
            name = f"{thread}-{number}"
            assert name in add(path, name).names
            told = json_file.read(path, Names)
            assert told is not None
            assert name in told.names, "it is on the disk by then"

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    told = json_file.read(path, Names)
    assert told is not None
    assert sorted(told.names) == sorted(f"{t}-{n}" for t in range(THREADS) for n in range(EACH))


def test_no_change_is_lost(tmp_path: Path) -> None:
    add_all(tmp_path / "names.json")


def test_a_large_file_is_written_for_many_at_once(
    tmp_path: Path, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes next rests a while: here until all others want something."""
    path = tmp_path / "names.json"
    for name, value in (("LARGE", 10), ("REST_SECONDS", 9), ("REST_MAX", 900)):
        monkeypatch.setattr(json_file, name, value)
    add(path, "first")
    wishes = json_file._turns[path].wishes

    def rest(_seconds: float) -> None:
        wait_until(lambda: wishes.qsize() == THREADS, seconds=60)

    monkeypatch.setattr(time, "sleep", rest)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: add(path, str(number)), range(THREADS)))
    assert len(written) == 2
    told = json_file.read(path, Names)
    assert told is not None
    assert sorted(told.names) == sorted(["first", *map(str, range(THREADS))])


def test_one_that_fails_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "names.json"
    monkeypatch.setattr(json_file, "LARGE", 10)
    monkeypatch.setattr(json_file, "REST_SECONDS", 1e-3)
    add(path, "first")
    names = ["a", "unfit", "b", "unfit", "c"]
    with ThreadPoolExecutor(len(names)) as pool:
        found = [pool.submit(add, path, name) for name in names]
    assert [type(each.exception()) for each in found if each.exception()] == [ValueError] * 2
    told = json_file.read(path, Names)
    assert told is not None
    assert sorted(told.names) == ["a", "b", "c", "first"]


def test_where_it_cannot_be_written_all_hear_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json_file, "write_atomic", full)
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(add, tmp_path / "names.json", name) for name in "abcd"]
    assert all(isinstance(each.exception(), OSError) for each in found)


def test_one_that_is_stopped_leaves_the_others_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "names.json"
    inside, go_on = threading.Event(), threading.Event()

    def stopped(_path: Path, _data: bytes) -> None:
        monkeypatch.setattr(json_file, "write_atomic", write_atomic)
        inside.set()
        go_on.wait()
        raise Stopped(130)

    monkeypatch.setattr(json_file, "write_atomic", stopped)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(add, path, "first")
        inside.wait()
        second = pool.submit(add, path, "second")
        go_on.set()
    assert isinstance(first.exception(), Stopped)
    assert "second" in second.result().names
