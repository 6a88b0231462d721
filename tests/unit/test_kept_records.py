"""Records come from one cache while their own files are as they were, and not a moment longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from comfyfix.disk.looked import SETTLED_NS
from comfyfix.errors import SetupProblem
from comfyfix.records import Model, Record, to_json
from comfyfix.state.layout import Layout
from comfyfix.state.sources import Sources


def record(number: int, where: str) -> Record:
    return Record(
        number=number, model=Model(folder="loras", path=f"{number}.safetensors"), source="civitai",
        where=where, destination=f"/m/{number}.safetensors", store="/m",
    )  # fmt: skip


def put(layout: Layout, told: Record, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a record, and let time pass."""
    path = layout.record(told.number, told.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_json(told))
    later = path.stat().st_ctime_ns + 2 * SETTLED_NS
    monkeypatch.setattr("comfyfix.state.sources.time.time_ns", lambda: later)
    return path


def read(layout: Layout, *paths: Path) -> list[Record | None]:
    """What one command reads."""
    sources = Sources(layout)
    found = [sources.read(str(path)) for path in paths]
    sources.keep()
    return found


def opened_by(sources: Sources, path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether a record is read from its own file."""
    asked: list[object] = []
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("comfyfix.state.sources.json_file.read", lambda *told: asked.append(told))
        sources.read(str(path))
    return bool(asked)


def test_a_kept_record_needs_no_file_to_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    path, other = (put(layout, record(number, "a"), monkeypatch) for number in (1, 2))
    assert read(layout, path, other) == [record(1, "a"), record(2, "a")]
    assert not opened_by(Sources(layout), path, monkeypatch)
    assert read(layout, path, other) == [record(1, "a"), record(2, "a")]


def test_what_has_changed_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path)
    path = put(layout, record(1, "a"), monkeypatch)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    read(layout, path)
    put(layout, record(1, "b"), monkeypatch)
    os.utime(path, ns=times)  # of the same size, and as old as it was
    assert read(layout, path) == [record(1, "b")]
    path.unlink()
    assert read(layout, path) == [None]


def test_what_may_change_once_more_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    path = put(layout, record(1, "a"), monkeypatch)
    soon = path.stat().st_ctime_ns + SETTLED_NS // 2
    monkeypatch.setattr("comfyfix.state.sources.time.time_ns", lambda: soon)
    read(layout, path)
    assert opened_by(Sources(layout), path, monkeypatch)


@pytest.mark.parametrize("spoiled", [b"", b"{", b'{"records": 1}', b'{"version": 9}', b"\xff"])
def test_a_spoiled_cache_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: bytes
) -> None:
    layout = Layout(tmp_path)
    path = put(layout, record(1, "a"), monkeypatch)
    read(layout, path)
    layout.records_cache.write_bytes(spoiled)
    assert read(layout, path) == [record(1, "a")]
    assert not opened_by(Sources(layout), path, monkeypatch)


def test_a_record_of_a_newer_program_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(layout := Layout(tmp_path), record(1, "a"), monkeypatch)
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 9'))
    with pytest.raises(SetupProblem):
        read(layout, path)
