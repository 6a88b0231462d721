"""A manifest of odd values, and a tier in which others have been: told, and nothing is harmed."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import yaml

from comfyfix.demo.content import file_for
from comfyfix.disk.files import sha256_of
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.stages.store.tiers import copying
from comfyfix.state.tier import Tier
from comfyfix.why import Why
from tests.inprocess import InProcess

NAME, SIZE = "a.safetensors", 50_000


@pytest.fixture
def needy(inprocess: InProcess, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """A project that needs a file of its store."""
    monkeypatch.setattr(copying, "is_on", lambda *_: False)
    inprocess.put("loras", NAME, file_for(NAME, size=SIZE))
    inprocess.workflow("w.json", ("loras", NAME))
    return inprocess


def tiers(site: InProcess, **told: Any) -> Any:
    """What `tiers` answers with this manifest; nothing of it may change the store."""
    site.manifest(tiers=told)
    before = site.files()
    ran = site.run("tiers", "--json")
    assert site.files() == before
    answer = json.loads(ran.out)
    error = answer.get("error")
    assert bool(ran.err) == bool(error)
    assert ran.code == (3 if error else int(any(each["why"] for each in answer["files"])))
    if error:
        assert error["next"] or error["cause"], error
    return error["why"] if error else answer


def test_a_tier_among_models_is_refused_by_whichever_name(needy: InProcess) -> None:
    (needy.root / "to models").symlink_to(needy.models)
    (needy.root / "to loras").symlink_to(needy.models / "loras")
    (needy.root / "to root").symlink_to(needy.root)
    (needy.home / "models").symlink_to(needy.models)
    for place in (
        "ComfyUI/models", "ComfyUI/models/loras/fast", "ComfyUI", ".", "/", "to models", "to loras",
        "to root", "to models/loras", "ComfyUI/custom_nodes/x", "x/../ComfyUI", "~/models",
    ):  # fmt: skip
        assert tiers(needy, fast=place) == Why.TIER_INSIDE, place
    assert needy.run("list").code == 3


@pytest.mark.parametrize("place", ["../fast", "link", "~/fast", "fast/../fast/", "fa st 'ü\" #{"])
def test_a_tier_may_have_any_name(needy: InProcess, place: str) -> None:
    real = needy.root / place
    if place.startswith("~"):
        real = needy.home / "fast"
    elif place == "link":
        real.symlink_to(needy.home)
    real.mkdir(exist_ok=True, parents=True)
    (needy.root / "fast").mkdir(exist_ok=True)
    (done,) = tiers(needy, fast=place)["files"]
    assert done["did"] == "brought"
    assert sha256_of(real / "loras" / NAME) == sha256_of(needy.models / "loras" / NAME)
    assert needy.run("paths").code == 0
    value = yaml.safe_load((needy.comfyui / "extra_model_paths.yaml").read_bytes().decode("ascii"))
    assert os.path.samefile(value["comfyfix_fast"]["loras"], real / "loras")
    assert len(json.loads(needy.run("verify", "--json").out)["verdicts"]) == 2


def test_what_no_file_of_paths_can_name_is_told(needy: InProcess) -> None:
    (needy.root / "two\nlines").mkdir()
    needy.manifest(tiers={"fast": "two\nlines"})
    told = json.loads(needy.run("paths", "--json").out)
    assert told["error"]["why"] == Why.PATHS_UNSAYABLE
    assert not (needy.comfyui / "extra_model_paths.yaml").exists()


def place_of(project: InProcess, key: str) -> str:
    """Where a key of `tiers:` stands, as it is told."""
    path = project.root / "manifest.yaml"
    lines = path.read_text().split("\n")
    line = next(n for n, text in enumerate(lines, 1) if f'"{key}"' in text)
    told = because(Why.MANIFEST_KEY, path=path, line=line, key=f"tiers.{key}", cause="")
    return words.worded(told).what


def test_a_size_that_is_none_is_told_with_its_line(needy: InProcess) -> None:
    (needy.root / "fast").mkdir()
    for size in (
        0, "0 GB", "0.4B", "-1", -1, "5 apples", "1e3", "½ GB", "99999999 TB", "500GB/s", "", 1.5,
        [1], True,
    ):  # fmt: skip
        needy.manifest(tiers={"fast": "fast", "size": size})
        ran = needy.run("tiers")
        assert ran.code == 3, size
        assert place_of(needy, "size") in ran.err


def test_a_size_in_any_unit_counts(needy: InProcess) -> None:
    (needy.root / "fast").mkdir()
    for size in ("90000 GB", "1.5 GiB", "60 KB", " 0.1MB ", 60_000):
        (done,) = tiers(needy, fast="fast", size=size)["files"]
        assert done["did"] in ("brought", "there"), size


def test_a_size_below_that_of_a_model_is_told(needy: InProcess) -> None:
    (needy.root / "fast").mkdir()
    (done,) = tiers(needy, fast="fast", size=SIZE - 1)["files"]
    assert done["why"] == Why.TIER_SMALL
    needy.manifest(tiers={"fast": "fast", "size": SIZE - 1})
    assert "50.0 kB" in needy.run("tiers").out


@pytest.mark.parametrize("kind", ["absent", "file", "dangling", "pipe", "nobody", "nul", "null"])
def test_a_place_that_is_no_folder_is_told(needy: InProcess, kind: str) -> None:
    place = needy.root / "fast"
    if kind == "file":
        place.write_bytes(b"mine")
    elif kind == "dangling":
        place.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(place)
    told = {"nobody": "~nobody-at-all/fast", "nul": "fa\0st", "null": None}.get(kind, "fast")
    if kind == "nul":
        needy.manifest(tiers={"fast": told})
        assert place_of(needy, "fast") in needy.run("tiers").err
        return
    assert tiers(needy, fast=told) == (Why.TIER_NONE if kind == "null" else Why.TIER_UNUSABLE)
    assert kind != "absent" or not place.exists()
    if kind != "null":  # all else goes on without its disk
        assert needy.run("list").code == 0
        ran = needy.run("store", "--json")
        assert json.loads(ran.out)["tier"] is None
        assert str(needy.root) in ran.err
        assert needy.run("verify").code == 0


@pytest.mark.parametrize("what", ["link", "file", "new is a link", "new is a file"])
def test_what_others_put_in_the_place_of_our_notes_is_left(needy: InProcess, what: str) -> None:
    fast, elsewhere = needy.root / "fast", needy.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.part").write_bytes(b"mine")
    own = fast / ".comfyfix"
    place = own / "new" if what.startswith("new") else own
    place.parent.mkdir(parents=True)
    if what.endswith("link"):
        place.symlink_to(elsewhere)
    else:
        place.write_bytes(b"mine")
    assert tiers(needy, fast="fast") == Why.TIER_UNUSABLE
    assert sorted(path.name for path in elsewhere.iterdir()) == ["mine.part"]
    assert not (fast / "loras").exists()


@pytest.mark.parametrize("notes", [b"", b"{", b"\xff\xfe", b'{"version":1,"copies":7}', b"[]"])
def test_notes_that_are_none_make_no_copy_ours(needy: InProcess, notes: bytes) -> None:
    fast = needy.root / "fast"
    fast.mkdir()
    tiers(needy, fast="fast")
    (fast / ".comfyfix/tier.json").write_bytes(notes)
    (done,) = tiers(needy, fast="fast")["files"]
    assert done["why"] == Why.TIER_TAKEN
    assert sha256_of(fast / "loras" / NAME) == sha256_of(needy.models / "loras" / NAME)


def test_notes_of_a_newer_program_are_left_to_it(needy: InProcess) -> None:
    (needy.root / "fast/.comfyfix").mkdir(parents=True)
    notes = needy.root / "fast/.comfyfix/tier.json"
    notes.write_text('{"version":7}')
    assert tiers(needy, fast="fast") == Why.STATE_NEWER
    assert notes.read_text() == '{"version":7}'


def test_of_two_runs_at_once_one_is_told(needy: InProcess) -> None:
    fast = needy.root / "fast"
    fast.mkdir()
    with Tier(fast).held():
        assert tiers(needy, fast="fast") == Why.TIER_BUSY
    (done,) = tiers(needy, fast="fast")["files"]
    assert done["did"] == "brought"


def test_what_lies_in_the_way_is_no_folder(needy: InProcess) -> None:
    fast = needy.root / "fast"
    fast.mkdir()
    (fast / "loras").write_bytes(b"mine")
    (done,) = tiers(needy, fast="fast")["files"]
    assert done["why"]
    assert (fast / "loras").read_bytes() == b"mine"
    assert Tier(fast).copies == {}


def test_a_disk_that_is_another_meanwhile_is_not_written_to(
    needy: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its disk, the folder that it was mounted on is there: it is on another."""
    fast = needy.root / "fast"
    fast.mkdir()
    named = copying.Copying._put_in_place

    def gone(*given: Any) -> None:
        fast.rename(needy.root / "away")
        fast.mkdir()
        named(*given)

    with monkeypatch.context() as patch:
        patch.setattr(copying.Copying, "_put_in_place", gone)
        told = tiers(needy, fast="fast")
    assert told["files"][0]["why"] == Why.SYSTEM_SAYS
    assert list(fast.iterdir()) == []
    fast.rmdir()
    (needy.root / "away").rename(fast)
    (done,) = tiers(needy, fast="fast")["files"]
    assert done["did"] == "brought"
    assert list((fast / ".comfyfix/new").iterdir()) == []
