"""The lock file as text: whatever stands in it, it is read or refused with its line."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.errors import SetupProblem
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import LOCK_FILE, Locked, Override

names = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=30)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
entries = st.builds(
    Entry,
    folder=names,
    path=names,
    source=st.sampled_from(["", "huggingface"]),
    url=st.sampled_from(["", "https://huggingface.co/a/b/resolve/main/c"]),
    size=st.integers(1, 1 << 50),
    sha256=digests,
    licence=st.sampled_from(["", "mit", "no: 1", "- x", "# y", "null", "1.0", "true"]),
    publisher=names,
    gated=st.booleans(),
    verdict=st.sampled_from(["", "ok", "unverified"]),
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | digests,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*Entry.__struct_fields__, "version", "x"]), inner)
    ),
    max_leaves=20,
)


def read(text: str | bytes) -> Lock:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / LOCK_FILE
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        first = lockfile.read(path, Path(folder) / "cache.json")
        again = lockfile.read(path, Path(folder) / "cache.json")
        assert again.entries == first.entries
        return first


@given(st.lists(entries, max_size=6, unique_by=lambda entry: entry.key))
def test_what_is_written_is_read_again(told: list[Entry]) -> None:
    lock = Lock(Path(LOCK_FILE)).with_entries(told)
    text = lockfile.text(lock)
    assert read(text).entries == lock.entries
    assert lockfile.text(lock.with_entries(reversed(told))) == text, "the order is always the same"


@given(odd | st.builds(lambda models: {"version": 1, "models": models}, odd))
def test_whatever_stands_there_is_read_or_refused(value: Any) -> None:
    try:
        assert read(yaml.safe_dump(value)).exists
    except SetupProblem as problem:
        assert LOCK_FILE in str(problem.reason.told)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes) -> None:
    try:
        read(data)
    except SetupProblem as problem:
        assert LOCK_FILE in str(problem.reason.told)


def test_a_cache_of_another_text_is_not_believed(tmp_path: Path) -> None:
    path, cache = tmp_path / LOCK_FILE, tmp_path / "cache.json"
    entry = Entry(folder="loras", path="a.safetensors", size=1, sha256="a" * 64)
    path.write_text(lockfile.text(Lock(path).with_entries([entry])))
    assert lockfile.read(path, cache).entries == {entry.key: entry}
    path.write_text(path.read_text().replace("a" * 64, "b" * 64))
    assert lockfile.read(path, cache).entries[entry.key].sha256 == "b" * 64


def test_a_lock_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).mkdir()
    with pytest.raises(SetupProblem):
        lockfile.read(tmp_path / LOCK_FILE, tmp_path / "cache.json")


def test_what_the_manifest_says_of_a_place_counts_first() -> None:
    entry = Entry(folder="loras", path="a.safetensors", size=1, sha256="a" * 64, url="https://x/y")
    lock = Lock(Path(LOCK_FILE)).with_entries([entry])

    def of(**own: Any) -> Override | None:
        manifest = Manifest(comfyui="-", models={"a.safetensors": Override(**own)})
        return lockfile.applied(manifest, lock, alone=False).override_for("loras", "a.safetensors")

    assert not isinstance(of(url="https://z/y"), Locked)
    assert not isinstance(of(sha256="b" * 64), Locked)
    assert isinstance(of(sha256="A" * 64), Locked)
    kept = of(folder="loras")
    assert isinstance(kept, Locked)
    assert kept.folder == "loras"
