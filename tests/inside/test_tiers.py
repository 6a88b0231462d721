"""`tiers`: what is needed is brought up to a fast disk, and no model is ever lost by it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.store import extra_paths
from comfyfix.demo.content import file_for
from comfyfix.disk import swap
from comfyfix.disk.files import sha256_of
from comfyfix.disk.lease.owner import where
from comfyfix.stages.store.tiers import copying
from comfyfix.stages.store.tiers.needed_copies import NeededCopy
from comfyfix.stages.store.tiers.raising import Raising
from comfyfix.state import tier
from comfyfix.state.hashes import HashLog
from comfyfix.state.hashing import Halted
from comfyfix.state.tier import Tier
from comfyfix.why import Why
from tests.inprocess import InProcess

NAMES = ("amber.safetensors", "harbor.safetensors", "night.safetensors")
SIZE = 100_000
TIERS = {"fast": "fast", "size": 2 * SIZE + 10_000}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def fast(inprocess: InProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fast tier with room for two of three models, as if on another disk."""
    place = inprocess.root / "fast"
    place.mkdir()
    monkeypatch.setattr(copying, "is_on", lambda *_: False)
    for name in NAMES:
        inprocess.put("loras", name, file_for(name, size=SIZE))
        inprocess.workflow(f"{name}.json", ("loras", name))
    inprocess.manifest(tiers=TIERS)
    return place


def told(site: InProcess, *names: str, **settings: Any) -> dict[str, str]:
    """What became of each file when these are needed: what was done, or why not."""
    needing = [str(site.workflows / f"{name}.json") for name in names]
    site.manifest(tiers=TIERS, workflows=needing, **settings)
    ran = site.run("tiers", "--json")
    assert ran.err == "", ran
    answer: dict[str, Any] = json.loads(ran.out)
    stays = any(each["why"] for each in answer["files"])
    assert ran.code == int(stays)
    return {each["name"]: each["why"] or each["did"] for each in answer["files"]}


def held(fast: Path) -> list[str]:
    """What lies in the tier, and has to be what it is called."""
    found = sorted(fast.rglob("*.safetensors"))
    for path in found:
        assert sha256_of(path) == sha256_of(fast.parent / "ComfyUI/models/loras" / path.name)
    assert list((fast / ".comfyfix" / "new").glob("*")) == []
    return [path.relative_to(fast).as_posix() for path in found]


def test_what_is_needed_comes_up_and_what_was_not_for_longest_leaves(
    inprocess: InProcess, fast: Path
) -> None:
    first, second, third = NAMES
    assert told(inprocess, first) == {f"loras/{first}": "brought"}
    assert told(inprocess, second) == {f"loras/{second}": "brought"}
    assert told(inprocess, first) == {f"loras/{first}": "there"}  # so the second is the older now
    done = told(inprocess, third)
    assert done == {f"loras/{second}": "left", f"loras/{third}": "brought"}
    assert held(fast) == [f"loras/{first}", f"loras/{third}"]
    assert len(inprocess.files()) == len(NAMES)  # the store has them all
    copy = (fast / "loras" / first).stat()
    assert copy.st_mtime_ns == (inprocess.models / "loras" / first).stat().st_mtime_ns


def test_what_is_needed_never_makes_room_for_what_is_needed(
    inprocess: InProcess, fast: Path
) -> None:
    done = told(inprocess, *NAMES)
    assert sorted(done.values()) == ["brought", "brought", Why.TIER_FULL]
    assert sorted(told(inprocess, *NAMES).values()) == ["there", "there", Why.TIER_FULL]


def test_a_tier_is_filled_to_its_last_byte(
    inprocess: InProcess, fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = NAMES
    size = (inprocess.models / "loras" / first).stat().st_size
    monkeypatch.setitem(TIERS, "size", size)
    assert told(inprocess, first) == {f"loras/{first}": "brought"}
    assert told(inprocess, second) == {f"loras/{first}": "left", f"loras/{second}": "brought"}
    monkeypatch.setitem(TIERS, "size", 2 * size)
    done = told(inprocess, first, second)
    assert done == {f"loras/{first}": "brought", f"loras/{second}": "there"}


def test_one_byte_too_little_is_no_room_where_nothing_may_leave(
    inprocess: InProcess, fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = NAMES
    source = inprocess.models / "loras" / first
    monkeypatch.setitem(TIERS, "size", 2 * source.stat().st_size - 1)
    told(inprocess, first)
    source.unlink()
    done = told(inprocess, second)
    assert done == {f"loras/{first}": Why.TIER_ONLY_COPY, f"loras/{second}": Why.TIER_FULL}
    inprocess.put("loras", first, (fast / "loras" / first).read_bytes())
    assert held(fast) == [f"loras/{first}"]


@pytest.mark.parametrize(
    ("error", "why"),
    [(FileExistsError(17, "there"), Why.TIER_TAKEN), (OSError(5, "broken"), Why.SYSTEM_SAYS)],
)
def test_what_can_not_get_its_name_leaves_nothing(
    inprocess: InProcess,
    fast: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    why: Why,
) -> None:
    """Another has put something there a moment ago, or the disk breaks."""
    name = "deep/er/x.safetensors"
    inprocess.put("loras", name, file_for("x.safetensors", size=SIZE))
    inprocess.workflow(f"{NAMES[0]}.json", ("loras", name))

    def fails(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(swap, "move_path", fails)
        assert told(inprocess, NAMES[0]) == {f"loras/{name}": why}
    assert list((fast / "loras").iterdir()) == []
    assert (fast / "loras").is_dir(), "of the folder of a key ComfyUI was told"
    noted = Tier(fast)
    noted.read()
    assert noted.copies == {}
    assert told(inprocess, NAMES[0]) == {f"loras/{name}": "brought"}


def test_what_has_another_time_or_place_is_hashed_once(inprocess: InProcess, fast: Path) -> None:
    """And by then it is a copy of what lies there."""
    name, hashed = NAMES[0], list[Path]()
    source = inprocess.models / "loras" / name
    other = shutil.copytree(inprocess.models, inprocess.root / "other") / "loras" / name

    def hash_of(path: Path) -> str:
        hashed.append(path)
        return sha256_of(path)

    with Tier(fast).held() as held_tier:
        log = HashLog(inprocess.root / "log")
        work = Raising(held_tier, None, 0, hash_of, log, 1.0)

        def did(path: Path) -> tuple[str, int]:
            (result,) = work.bring_up([NeededCopy(name, path, f"loras/{name}")])
            return result.outcome, len(hashed)

        assert [did(source), did(source)] == [("brought", 1), ("there", 1)]
        os.utime(source, (5, 5))
        assert [did(source), did(source)] == [("there", 2), ("there", 2)]
        assert [did(other), did(other)] == [("there", 3), ("there", 3)]
        assert work.copies_of([source]) == []
        assert [copy.path for copy in work.copies_of([other.parent])] == [f"loras/{name}"]


def test_stopped_it_says_nothing_of_what_it_has_not_done(inprocess: InProcess, fast: Path) -> None:
    first, second, _ = NAMES
    halted: list[Path] = []

    def hash_of(path: Path) -> str:
        halted.append(path)
        raise Halted

    with Tier(fast).held() as held_tier:
        log = HashLog(inprocess.root / "log")
        work = Raising(held_tier, None, 0, hash_of, log, 1.0, stopped=lambda: bool(halted))
        needed = [
            NeededCopy(f"loras/{name}", inprocess.models / "loras" / name, f"loras/{name}")
            for name in (first, second)
        ]
        assert list(work.bring_up(needed)) == []
        assert halted == [needed[0].source]
        assert held_tier.copies == {}


@pytest.mark.parametrize("harm", ["gone", "another", "damaged", "leads to the copy"])
def test_the_only_copy_never_leaves(inprocess: InProcess, fast: Path, harm: str) -> None:
    first, second, third = NAMES
    told(inprocess, first, second)
    source, copy = inprocess.models / "loras" / first, fast / "loras" / first
    data = copy.read_bytes()
    if harm == "another":
        source.write_bytes(file_for("another.safetensors", size=SIZE))
    elif harm == "damaged":
        time.sleep(0.01)  # else the time of the file may be the same
        source.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        source.unlink()
    if harm.startswith("leads"):
        source.symlink_to(copy)
    told(inprocess, second)
    assert told(inprocess, second, third)[f"loras/{first}"] == Why.TIER_ONLY_COPY
    assert copy.read_bytes() == data


def test_a_file_that_a_download_is_at_work_on_stays(inprocess: InProcess, fast: Path) -> None:
    first, second, third = NAMES
    told(inprocess, first, second)
    lock = inprocess.models / "loras" / f".{first}.lock"
    lock.symlink_to(f"{where()}.{os.getpid()}")
    assert told(inprocess, second, third)[f"loras/{first}"] == Why.GC_AT_WORK
    lock.unlink()
    lock.symlink_to(f"{where()}.99999999")  # who has died holds nothing
    assert told(inprocess, second, third)[f"loras/{first}"] == "left"


def test_what_others_put_there_is_neither_taken_nor_removed(
    inprocess: InProcess, fast: Path
) -> None:
    first, second, third = NAMES
    mine = fast / "loras" / first
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    assert told(inprocess, first) == {f"loras/{first}": Why.TIER_TAKEN}
    told(inprocess, second)
    changed = fast / "loras" / second
    changed.write_bytes(b"mine too")
    assert told(inprocess, third)[f"loras/{second}"] == Why.TIER_CHANGED
    assert (mine.read_bytes(), changed.read_bytes()) == (b"mine", b"mine too")


def test_nothing_leaves_for_what_can_not_come(inprocess: InProcess, fast: Path) -> None:
    first, second, third = NAMES
    told(inprocess, first, second)
    (fast / "loras" / third).write_bytes(b"mine")
    assert told(inprocess, third) == {f"loras/{third}": Why.TIER_TAKEN}
    (fast / "loras" / third).unlink()
    assert held(fast) == [f"loras/{first}", f"loras/{second}"]


def test_what_lies_elsewhere_does_not_come_into_a_directory(
    inprocess: InProcess, fast: Path
) -> None:
    """It would be no copy of ours any more, and half of another."""
    whole, alone = inprocess.models / "diffusers/sdxl", inprocess.root / "b.safetensors"
    whole.mkdir(parents=True)
    for path in (whole / "a.safetensors", alone):
        path.write_bytes(file_for(path.name, size=SIZE))
    with Tier(fast).held() as held_tier:
        work = Raising(held_tier, None, 0, sha256_of, HashLog(inprocess.root / "log"), 1.0)
        directory = NeededCopy("sdxl", whole, "diffusers/sdxl", is_whole=True)
        stray = NeededCopy("b", alone, "diffusers/sdxl/b.safetensors")
        (brought, stays) = work.bring_up([directory, stray])
    assert (brought.outcome, stays.outcome) == ("brought", "stays")
    assert stays.reason
    assert stays.reason.why == Why.TIER_TAKEN
    assert [path.name for path in (fast / "diffusers/sdxl").iterdir()] == ["a.safetensors"]


def test_a_folder_that_leads_elsewhere_is_not_written_to(inprocess: InProcess, fast: Path) -> None:
    elsewhere = inprocess.root / "elsewhere"
    elsewhere.mkdir()
    (fast / "loras").symlink_to(elsewhere)
    assert told(inprocess, NAMES[0]) == {f"loras/{NAMES[0]}": Why.TIER_TAKEN}
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "x/y.safetensors", "../out.safetensors"])
@pytest.mark.parametrize(
    "path", ["../out.safetensors", "..", "/etc/out", "loras/../../out", ".comfyfix", "a\0b", ""]
)
def test_a_forged_note_removes_nothing(
    inprocess: InProcess, fast: Path, path: str, inside: str
) -> None:
    out = inprocess.root / "out.safetensors"
    out.write_bytes(b"mine")
    told(inprocess, *NAMES[:2])
    notes = fast / ".comfyfix" / "tier.json"
    value = json.loads(notes.read_bytes())
    info = out.stat()
    stamp = [info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns]
    first = value["copies"][0]
    file = {**first["files"][0], "path": inside, "made": stamp}
    value["copies"].append({**first, "path": path, "files": [file], "needed_at": 0})
    notes.write_text(json.dumps(value))
    told(inprocess, NAMES[2])
    assert out.read_bytes() == b"mine"
    assert notes.exists()


def test_a_changed_store_changes_its_copy_once_that_is_known_to_be_right(
    inprocess: InProcess, fast: Path
) -> None:
    name = NAMES[0]
    told(inprocess, name)
    before = (fast / "loras" / name).read_bytes()
    source = inprocess.put("loras", name, file_for("another.safetensors", size=SIZE))
    assert told(inprocess, name) == {f"loras/{name}": Why.TIER_ONLY_COPY}  # it may be damaged
    models = {name: {"sha256": "0" * 64}}
    assert told(inprocess, name, models=models) == {f"loras/{name}": Why.TIER_NOT_COPIED}
    assert (fast / "loras" / name).read_bytes() == before
    models = {name: {"sha256": sha256_of(source)}}
    assert told(inprocess, name, models=models) == {f"loras/{name}": "brought"}
    assert held(fast) == [f"loras/{name}"]
    os.utime(source)  # the same bytes
    assert told(inprocess, name) == {f"loras/{name}": "there"}


class Killed(BaseException):
    """As `kill -9`: nothing is tidied up by it, as far as a test can have that."""


@pytest.mark.parametrize("at", ["move", "note", "utime", "fsync"])
def test_killed_half_way_nothing_wrong_has_a_name(
    inprocess: InProcess, fast: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it is killed, the next run brings it, and no bytes are left that nobody knows of."""
    name = NAMES[0]
    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise Killed

        patch.setattr(tier, "remove", lambda _: None)
        if at == "note":
            patch.setattr(Tier, "_write", killed)
        elif at == "move":
            patch.setattr(swap, "move", killed)
        else:
            patch.setattr(os, at, killed)
        with pytest.raises(Killed):
            told(inprocess, name)
    assert list(fast.rglob("*.safetensors")) == []
    assert told(inprocess, name) == {f"loras/{name}": "brought"}
    assert held(fast) == [f"loras/{name}"]


def test_a_full_disk_is_told_and_leaves_nothing(
    inprocess: InProcess, fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, SIZE // 2))
    assert told(inprocess, NAMES[0]) == {f"loras/{NAMES[0]}": Why.TIER_FULL}
    assert held(fast) == []


def test_on_the_same_disk_nothing_is_copied(
    inprocess: InProcess, fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "is_on", lambda *_: True)
    done = told(inprocess, NAMES[0])[f"loras/{NAMES[0]}"]
    assert done in (Why.TIER_SAME_DISK, "brought")  # as a clone, which takes no room


def test_all_else_sees_the_store_alone_and_comfyui_sees_the_copy_first(
    inprocess: InProcess, fast: Path
) -> None:
    told(inprocess, NAMES[0])
    assert inprocess.run("paths").code == 0
    own = inprocess.comfyui / "extra_model_paths.yaml"
    found = {key: (place, first) for key, place, first, _ in extra_paths.read(own)}
    assert found["loras"] == (fast / "loras", True)
    answer = json.loads(inprocess.run("store", "--json").out)
    assert [row["model"] for row in answer["files"]] == [f"loras/{name}" for name in NAMES]
    assert answer["all"]["duplicates"] == 0
    scanned = json.loads(inprocess.run("scan", "--json").out)
    assert all(each["present"] for each in scanned["references"])
    assert told(inprocess, NAMES[0]) == {f"loras/{NAMES[0]}": "there"}


@pytest.mark.parametrize("place", ["ComfyUI/models/loras/fast", ".", "ComfyUI"])
def test_a_tier_among_the_models_is_refused(inprocess: InProcess, fast: Path, place: str) -> None:
    inprocess.manifest(tiers={"fast": place})
    ran = inprocess.run("tiers", "--json")
    assert ran.code == 3
    assert json.loads(ran.out)["error"]["why"] == Why.TIER_INSIDE


def test_what_can_not_be_done_is_told(inprocess: InProcess, fast: Path) -> None:
    for settings, why in (
        ({"tiers": {"fast": "no/such"}}, Why.TIER_UNUSABLE),
        ({"tiers": {"fast": None, "size": None}}, Why.TIER_NONE),
    ):
        inprocess.manifest(**settings)
        assert json.loads(inprocess.run("tiers", "--json").out)["error"]["why"] == why
    assert json.loads(inprocess.run("tiers", "x", "--json").out)["error"]["why"] == (
        Why.TIER_TAKES_NONE
    )
