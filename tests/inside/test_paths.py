"""`paths`: ComfyUI is told of the store, and no file of the user's own is written over."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.store import extra_paths
from comfyfix.demo.hub import Hub
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.stages import paths_file
from comfyfix.why import Why
from tests.inprocess import InProcess, Ran

NAME = "harbor_light.safetensors"


@pytest.fixture
def store(inprocess: InProcess) -> Path:
    """A store beside ComfyUI, and a workflow that needs models of two folders."""
    place = inprocess.root / "big: disk # {x}"
    place.mkdir()
    inprocess.workflow("w.json", ("loras", NAME), ("text_encoders", "b.safetensors"))
    inprocess.manifest(store=str(place))
    return place


def own(site: InProcess) -> Path:
    return site.comfyui / "extra_model_paths.yaml"


def identity(path: Path) -> tuple[int, ...]:
    info = os.lstat(path)
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def told(site: InProcess, *options: str) -> dict[str, Any]:
    ran = site.run("paths", "--json", *options)
    assert ran.code == 0, ran
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def read(path: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for key, place, *_ in extra_paths.read(path):
        found.setdefault(key, []).append(place)
    return found


def refused(ran: Ran, why: Why, **fields: object) -> bool:
    return ran.code == 3 and words.worded(because(why, **fields)).what in ran.err


def test_comfyui_is_told_of_each_folder_of_the_store(
    inprocess: InProcess, store: Path, hub: Hub
) -> None:
    unsearched = t("ComfyUI does not look into the store {store}", store=store)
    assert unsearched in inprocess.run("list").err
    answer = told(inprocess)
    assert (answer["path"], answer["written"]) == (str(own(inprocess)), True)
    found = read(own(inprocess))
    assert found["loras"] == [store / "loras"]
    assert found["text_encoders"] == [store / "text_encoders", store / "clip"]
    assert "custom_nodes" not in found
    assert {k: [str(p) for p in v] for k, v in found.items()} == answer["sections"][0]["folders"]
    assert unsearched not in inprocess.run("list").err
    hub.add("maker/harbor_light", [NAME])
    inprocess.run()
    assert (store / "loras" / NAME).is_file()
    before = identity(own(inprocess))
    assert told(inprocess)["written"] is False  # what it says itself changes nothing
    assert identity(own(inprocess)) == before


def test_it_is_made_anew_when_the_store_moves(inprocess: InProcess, store: Path) -> None:
    told(inprocess)
    other = inprocess.root / "other"
    other.mkdir()
    inprocess.manifest(store=str(other))
    assert told(inprocess, "--dry-run")["written"] is False
    assert read(own(inprocess))["loras"] == [store / "loras"]
    assert told(inprocess)["written"] is True
    assert read(own(inprocess))["loras"] == [other / "loras"]


@pytest.mark.parametrize("kind", ["theirs", "changed", "link", "folder", "pipe", "large", "cut"])
def test_nobodys_own_file_is_written_over(inprocess: InProcess, store: Path, kind: str) -> None:
    told(inprocess, "-o", "here.yaml")
    path = inprocess.root / "here.yaml"
    data = path.read_bytes()
    if kind in ("link", "folder", "pipe"):
        path.rename(inprocess.root / "elsewhere.yaml")
    if kind == "link":
        path.symlink_to("elsewhere.yaml")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        made = {
            "theirs": b"mine:\n  loras: /mine\n",
            "changed": data.replace(b"loras", b"lora2"),
            "large": data + b"#" * (2 << 20),
            "cut": data[:-20],
        }
        path.write_bytes(made[kind])
    before = identity(path)
    ran = inprocess.run("paths", "-o", "here.yaml")
    assert refused(ran, Why.PATHS_NOT_OURS, path=path), ran
    assert identity(path) == before


def test_one_who_is_faster_keeps_his_file(
    inprocess: InProcess, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faster(path: Path, *_: object, **__: object) -> None:
        path.write_text("mine")
        raise FileExistsError

    monkeypatch.setattr(paths_file, "write_new", faster)
    assert refused(inprocess.run("paths"), Why.PATHS_NOT_OURS, path=own(inprocess))
    assert own(inprocess).read_text() == "mine"


def test_another_file_is_for_an_option_of_comfyui(inprocess: InProcess, store: Path) -> None:
    own(inprocess).write_text("mine:\n  loras: /mine\n")
    ran = inprocess.run("paths")
    assert refused(ran, Why.PATHS_NOT_OURS, path=own(inprocess)), ran
    ran = inprocess.run("paths", "--out", "more.yaml")
    assert ran.code == 0
    assert "--extra-model-paths-config" in ran.out
    assert "/mine" not in (inprocess.root / "more.yaml").read_text()
    assert read(inprocess.root / "more.yaml")["loras"] == [store / "loras"]


def test_where_comfyui_looks_by_itself_there_is_nothing_to_tell(inprocess: InProcess) -> None:
    inprocess.workflow("w.json", ("loras", "a.safetensors"))
    assert told(inprocess) == {"version": 1, "path": None, "written": False, "sections": []}
    inprocess.manifest(store=str(inprocess.models))
    assert told(inprocess)["path"] is None
    assert not own(inprocess).exists()


def test_what_can_not_be_done_is_told(inprocess: InProcess, store: Path) -> None:
    ran = inprocess.run("paths", "-o", "no/such/folder.yaml")
    assert refused(ran, Why.PATHS_UNWRITTEN, path=inprocess.root / "no/such/folder.yaml"), ran
    assert refused(inprocess.run("paths", "here.yaml"), Why.PATHS_TAKES_NONE)
    odd = inprocess.root / "two\nlines"
    odd.mkdir()
    inprocess.manifest(store=str(odd))
    assert inprocess.run("paths").code == 3
    assert not own(inprocess).exists()
