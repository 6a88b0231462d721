"""What was scanned is read again as soon as it may have changed, however coarse the clock."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from comfyfix.comfyui.loaders.table import Loader, LoaderInput, built_in, merged
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.stages.needs.scan import scan
from tests.unit.graphs import node, ui

YEAR_2000 = 946_684_800


def write(path: Path, name: str) -> None:
    path.write_text(json.dumps(ui(node(1, "VAELoader", name))))


def paths(file: Path, cache: Path) -> list[str]:
    return [r.path for one in scan([(str(file), "w.json")], cache) for r in one.references]


@pytest.mark.parametrize("tick", [10**9, 2 * 10**9])
def test_a_file_that_changes_within_one_tick_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tick: int
) -> None:
    exact = workflow_files.stamp

    def coarse(path: str) -> tuple[int, ...]:
        mtime, ctime, size, inode = exact(path)
        return (mtime // tick * tick, ctime // tick * tick, size, inode)

    monkeypatch.setattr(workflow_files, "stamp", coarse)
    file, cache = tmp_path / "w.json", tmp_path / "cache.json"
    for name in ("a.pth", "b.pth", "c.pth"):  # one length, one inode
        write(file, name)
        assert paths(file, cache) == [name]


def test_an_old_time_put_on_new_content_does_not_hide_it(tmp_path: Path) -> None:
    file, cache = tmp_path / "w.json", tmp_path / "cache.json"
    for name in ("a.pth", "b.pth"):
        write(file, name)
        os.utime(file, (YEAR_2000, YEAR_2000))
        assert paths(file, cache) == [name]


def test_another_table_of_loaders_reads_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow_files, "if_settled", lambda stamp: stamp)
    file, cache = tmp_path / "w.json", tmp_path / "cache.json"
    file.write_text(json.dumps(ui(node(1, "Mine", "a.pth"))))
    mine = LoaderInput(folder="vae", index=0)
    other = LoaderInput(folder="loras", index=0)
    for entry in (None, mine, other, mine, None):
        table = merged({"Mine": Loader(inputs={"name": entry})}, built_in()) if entry else None
        (told,) = scan([(str(file), "w.json")], cache, table)
        assert [r.folder for r in told.references] == [entry.folder if entry else None]


def test_what_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, cache = tmp_path / "w.json", tmp_path / "cache.json"
    write(file, "a.pth")
    monkeypatch.setattr(workflow_files, "if_settled", lambda stamp: stamp)
    assert paths(file, cache) == ["a.pth"]
    kept = cache.read_bytes()
    opened: list[str] = []
    real = workflow_files.open_file

    def open_file(path: str) -> object:
        opened.append(path)
        return real(path)

    monkeypatch.setattr(workflow_files, "open_file", open_file)
    assert paths(file, cache) == ["a.pth"]
    assert (opened, cache.read_bytes()) == ([], kept)
    assert [one.workflow for one in scan([(str(file), "another.json")], cache)] == ["another.json"]
    assert opened == [str(file)]
    write(file, "longer.pth")
    for _ in range(2):
        assert paths(file, cache) == ["longer.pth"]
        assert len(opened) == 2, "what was read anew is kept too"
    assert scan([], cache) == []
    assert paths(file, cache) == ["longer.pth"]
    assert len(opened) == 3, "what is no longer scanned is no longer kept"
