"""Hashes that are kept: by line, for unchanged files only, each content read once."""

from __future__ import annotations

import json
import os
import shutil
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.disk.files import sha256_of
from comfyfix.records import Model, because
from comfyfix.stages.verdicts.verify import Claims, Manner, verify
from comfyfix.state.hashes import SPARE, HashLog, read
from comfyfix.state.hashing import FileChanged, Halted, Hasher
from comfyfix.tasks.verify.hashing import open_file_hasher
from comfyfix.why import Why

LINE = {"version": 1, "path": "/m/a.pth", "size": 1, "mtime_ns": 2, "sha256": "0" * 64}


def hole(path: Path, size: int) -> Path:
    """A safetensors file of zeros that takes no room."""
    header = {"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + size)
    return path


def touched(path: Path, data: bytes) -> None:
    """Write other bytes and give the file back its time."""
    info = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_where_only_the_time_counts_a_hash_is_kept_while_it_is_the_same(tmp_path: Path) -> None:
    path, log = tmp_path / "a.pth", tmp_path / "log" / "hashes.jsonl"
    path.write_bytes(b"one")
    digest = Hasher(HashLog(log, "mtime"))(path)
    assert digest == sha256_of(path)
    touched(path, b"two")
    assert Hasher(HashLog(log, "mtime"))(path) == digest
    assert Hasher(HashLog(log, "mtime"), anew=True)(path) == sha256_of(path)
    assert Hasher(HashLog(log, "mtime"))(path) == sha256_of(path)
    touched(path, b"three")
    assert Hasher(HashLog(log, "mtime"))(path) == sha256_of(path)
    path.write_bytes(b"seven")
    os.utime(path, ns=(0, 1))
    assert Hasher(HashLog(log, "mtime"))(path) == sha256_of(path)


def test_a_kept_hash_counts_while_the_file_is_as_it_was(tmp_path: Path) -> None:
    path, log = tmp_path / "a.pth", tmp_path / "hashes.jsonl"
    path.write_bytes(b"one")
    assert Hasher(HashLog(log))(path) == sha256_of(path)
    assert HashLog(log).find(str(path), path.stat()) == sha256_of(path)
    touched(path, b"two")  # size and mtime are put back; ctime can't be
    assert HashLog(log).find(str(path), path.stat()) is None
    assert Hasher(HashLog(log))(path) == sha256_of(path)
    copy = tmp_path / "copy"
    shutil.copy2(path, copy)
    copy.replace(path)  # another inode
    assert HashLog(log).find(str(path), path.stat()) is None


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is hashed from now on."""
    seen: list[Path] = []

    def count(path: Path, passed: object = None) -> str:
        seen.append(path)
        return sha256_of(path)

    monkeypatch.setattr("comfyfix.state.hashing.sha256_of", count)
    return seen


def test_one_content_under_several_names_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, hard, soft = (tmp_path / name for name in ("a.pth", "hard.pth", "soft.pth"))
    first.write_bytes(b"one")
    os.link(first, hard)
    soft.symlink_to(first)
    hasher = Hasher(HashLog(tmp_path / "hashes.jsonl"))
    digest = hasher(first)
    read_before = counted(monkeypatch)
    assert hasher(hard) == hasher(soft) == digest
    assert read_before == []
    assert set(read(tmp_path / "hashes.jsonl")[0]) == {str(first), str(hard), str(soft)}


def test_a_file_that_changes_while_it_is_read_is_not_judged(tmp_path: Path) -> None:
    path = hole(tmp_path / "a.safetensors", 40 << 30)
    hasher = Hasher(HashLog(tmp_path / "hashes.jsonl"))

    def change() -> None:
        while not hasher.under_way():
            pass
        os.truncate(path, 1000)

    thread = threading.Thread(target=change)
    thread.start()
    model = Model(folder="loras", path="a.safetensors")
    verdict = verify(model, path, Claims(), Manner(always=True, hash_of=hasher))
    thread.join()
    assert (verdict.status, verdict.sha256) == ("unverified", None)
    assert verdict.reason == because(Why.FILE_CHANGES)
    assert not (tmp_path / "hashes.jsonl").exists()
    assert issubclass(FileChanged, Exception)


def test_halting_ends_what_is_under_way(tmp_path: Path) -> None:
    path = hole(tmp_path / "a.safetensors", 400 << 30)
    hasher = Hasher(HashLog(tmp_path / "hashes.jsonl"))

    def halt() -> None:
        while not hasher.under_way():
            pass
        hasher.halt()

    thread = threading.Thread(target=halt)
    thread.start()
    with pytest.raises(Halted):
        hasher(path)
    thread.join()
    assert hasher.under_way() == 0


@given(st.lists(st.one_of(st.binary(max_size=80), st.just(json.dumps(LINE).encode()))))
def test_lines_that_are_none_are_passed_over(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("log") / "hashes.jsonl"
    path.write_bytes(b"\n".join(lines))
    known, _ = read(path)
    whole = [
        line for raw in lines for line in raw.split(b"\n") if line == json.dumps(LINE).encode()
    ]
    assert set(known) == ({"/m/a.pth"} if whole else set())


@pytest.mark.parametrize(
    "changed",
    [{"version": 2}, {"sha256": "xyz"}, {"sha256": "0" * 63}, {"size": "1"}, {"path": None}],
)
def test_lines_of_another_form_are_passed_over(tmp_path: Path, changed: dict[str, object]) -> None:
    path = tmp_path / "hashes.jsonl"
    path.write_text(json.dumps({**LINE, **changed}) + "\n")
    assert read(path)[0] == {}


def test_a_torn_last_line_costs_itself_only(tmp_path: Path) -> None:
    log, path = tmp_path / "hashes.jsonl", tmp_path / "a.pth"
    path.write_bytes(b"one")
    Hasher(HashLog(log))(path)
    with log.open("ab") as out:
        out.write(json.dumps(LINE).encode()[:50])
    other = tmp_path / "b.pth"
    other.write_bytes(b"two")
    Hasher(HashLog(log))(other)
    assert set(read(log)[0]) == {str(path), str(other)}


def test_the_file_is_written_anew_once_most_of_it_is_out_of_date(tmp_path: Path) -> None:
    log, path, gone = tmp_path / "hashes.jsonl", tmp_path / "a.pth", tmp_path / "gone.pth"
    path.write_bytes(b"one")
    lines = [json.dumps({**LINE, "path": str(path), "size": n}) for n in range(SPARE + 5)]
    away = json.dumps({**LINE, "path": "/not/mounted/b.pth"})
    kept = json.dumps({**LINE, "path": str(gone)})
    log.write_text("\n".join([*lines, away, kept]) + "\n")
    known = HashLog(log)
    known.keep(str(path), path.stat(), "1" * 64)
    known.close()
    assert len(log.read_bytes().splitlines()) == 2
    assert set(read(log)[0]) == {str(path), "/not/mounted/b.pth"}
    assert HashLog(log).find(str(path), path.stat()) == "1" * 64


def test_a_log_that_can_not_be_written_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"one")
    (tmp_path / "file").write_text("")
    hasher = Hasher(HashLog(tmp_path / "file" / "hashes.jsonl"))
    assert hasher(path) == sha256_of(path)
    hasher.log.close()


@pytest.mark.parametrize(("size", "same"), [(3 << 20, True), (9, False), (4 << 20, False)])
def test_an_open_file_has_a_hash_if_it_stays_of_its_size(
    tmp_path: Path, size: int, same: bool
) -> None:
    path, passed = tmp_path / "a.pth", []
    path.write_bytes(os.urandom(3 << 20))
    digest = sha256_of(path)

    def hear(count: int) -> None:
        passed.append(count)
        os.truncate(path, size)

    with path.open("rb") as stream:
        stream.seek(5)  # where somebody else has read to does not count
        assert open_file_hasher(hear)(stream.fileno()) == (digest if same else None)
    assert sum(passed) == (3 << 20 if size >= 3 << 20 else 1 << 20)
