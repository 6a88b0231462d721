"""Putting files under their hash: whole and right, or not at all; by many at once."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.hub import sha256
from comfyfix.mirrors.holders import FolderHolder, OtherBytes, proven
from comfyfix.settings.mirror import name_of
from comfyfix.state.hashing import Halted

DATA = os.urandom(5 << 20)
DIGEST = sha256(DATA)


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


@given(st.binary(), st.binary(), st.integers(1, 64), st.integers(-2, 2))
def test_only_the_right_bytes_are_given_whole(
    data: bytes, other: bytes, block: int, more: int
) -> None:
    digest, size = sha256(data), len(data)
    assert b"".join(proven(io.BytesIO(data), digest, size, block=block)) == data
    for stream, told in ((other, size), (data, size + more)):
        given: list[bytes] = []
        try:
            given.extend(proven(io.BytesIO(stream), digest, told, block=block))
        except OtherBytes:
            assert len(b"".join(given)) < max(1, len(stream))  # the last block is kept back
        else:
            assert b"".join(given) == data


def test_many_may_put_the_same_file_at_once(tmp_path: Path) -> None:
    begin = threading.Barrier(8)

    def put() -> None:
        begin.wait(60)
        FolderHolder(tmp_path).put(DIGEST, io.BytesIO(DATA), len(DATA))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert files(tmp_path) == [name_of(DIGEST)]
    assert FolderHolder(tmp_path).hash_of(DIGEST) == DIGEST


class _Failing(io.BytesIO):
    """A file whose disk fails in the middle."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > len(DATA) // 2:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_what_breaks_off_or_is_wrong_leaves_nothing(tmp_path: Path) -> None:
    holder = FolderHolder(tmp_path)
    with pytest.raises(OSError, match="Input"):
        holder.put(DIGEST, _Failing(DATA), len(DATA))
    with pytest.raises(OtherBytes):
        holder.put(DIGEST, io.BytesIO(DATA[:-1] + b"\0"), len(DATA))
    with pytest.raises(Halted):
        FolderHolder(tmp_path, lambda: True).put(DIGEST, io.BytesIO(DATA), len(DATA))
    assert files(tmp_path) == []
    holder.put(DIGEST, io.BytesIO(DATA), len(DATA))
    with pytest.raises(OtherBytes):
        holder.put(DIGEST, io.BytesIO(b"other"), 5)
    assert holder.hash_of(DIGEST) == DIGEST


def test_what_a_killed_one_has_left_goes_with_the_next(tmp_path: Path) -> None:
    from comfyfix.disk.lease.owner import where

    path = tmp_path / name_of(DIGEST)
    path.parent.mkdir(parents=True)
    left = path.parent / f".{DIGEST[:60]}.{where()}.999999999.abcdefgh.tmp"
    left.write_bytes(DATA[:100])
    FolderHolder(tmp_path).put(DIGEST, io.BytesIO(DATA), len(DATA))
    assert files(tmp_path) == [name_of(DIGEST)]


def test_only_plain_files_with_names_of_hashes_are_listed(tmp_path: Path) -> None:
    holder = FolderHolder(tmp_path)
    assert list(holder.listed()) == []
    holder.put(DIGEST, io.BytesIO(DATA), len(DATA))
    folder = (tmp_path / name_of(DIGEST)).parent
    (folder / ("cd" * 32)).write_bytes(b"in another folder")
    (folder / f"{DIGEST}.{'0' * 8}.x.1.part").write_bytes(b"part")
    (folder / (DIGEST[:2] + "0" * 62)).symlink_to("/etc/passwd")
    os.mkfifo(folder / (DIGEST[:2] + "1" * 62))
    (tmp_path / "sha256" / "00").symlink_to(folder)
    assert list(holder.listed()) == [(DIGEST, len(DATA))]
    assert holder.size(DIGEST[:2] + "0" * 62) is None
    assert holder.size("ef" * 32) is None


class _Slow(io.BytesIO):
    """A raw stream that gives what it has at hand."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 3))


def test_blocks_are_whole_however_little_a_stream_gives_at_once() -> None:
    data = bytes(20)
    blocks = proven(_Slow(data), sha256(data), 20, block=8)
    assert [len(block) for block in blocks] == [8, 8, 4]


def test_what_is_hashed_ends_where_all_is_to_end(tmp_path: Path) -> None:
    FolderHolder(tmp_path).put(DIGEST, io.BytesIO(DATA), len(DATA))
    looks = iter((False, True))
    with pytest.raises(Halted):
        FolderHolder(tmp_path, lambda: next(looks)).hash_of(DIGEST)


@pytest.mark.parametrize(("mode", "of_file"), [(0o755, 0o644), (0o775, 0o664), (0o777, 0o666)])
def test_who_may_write_to_the_folder_may_write_to_the_file(
    tmp_path: Path, mode: int, of_file: int
) -> None:
    path = tmp_path / name_of(DIGEST)
    path.parent.mkdir(parents=True)
    path.parent.chmod(mode)
    FolderHolder(tmp_path).put(DIGEST, io.BytesIO(DATA), len(DATA))
    assert path.stat().st_mode & 0o777 == of_file


def test_a_folder_in_the_place_of_a_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / name_of(DIGEST)
    (path / "inside").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        FolderHolder(tmp_path).put(DIGEST, io.BytesIO(DATA), len(DATA))
    assert [(path / "inside").is_dir(), *os.listdir(path.parent)] == [True, path.name]
