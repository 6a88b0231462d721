"""What other commands see of the fast tier: the copy that ComfyUI opens, beside its model."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.disk.files import sha256_of
from comfyfix.nearby.leads import Nearby, Sought
from comfyfix.screen.commands import checking
from comfyfix.stages.store.tiers import copying
from comfyfix.state.hashes import HashLog
from comfyfix.state.tier import Tier
from comfyfix.why import Why
from tests.inprocess import InProcess

LORA, SIZE = "a.safetensors", 50_000
PIPELINE = ("model_index.json", "unet/u.safetensors", "vae/v.safetensors")


@pytest.fixture
def fast(inprocess: InProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tier with the copies of a file and a directory, of which ComfyUI is told."""
    place = inprocess.root / "fast"
    place.mkdir()
    monkeypatch.setattr(copying, "is_on", lambda *_: False)
    inprocess.put("loras", LORA, file_for(LORA, size=SIZE))
    for name in PIPELINE:
        data = file_for(Path(name).name, seed=name, size=SIZE) if "/" in name else b"{}"
        inprocess.put("diffusers", f"sdxl/{name}", data)
    need(inprocess, LORA)
    inprocess.manifest(tiers={"fast": "fast", "size": "500 kB"})
    assert inprocess.run("tiers").code == 0
    assert inprocess.run("paths").code == 0
    return place


def need(site: InProcess, lora: str, pipeline: str = "sdxl") -> None:
    nodes = {
        "1": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": lora}},
        "2": {"class_type": "DiffusersLoader", "inputs": {"model_path": pipeline}},
    }
    (site.workflows / "w.json").write_text(json.dumps(nodes))


def verdicts(site: InProcess, *options: str) -> dict[str, tuple[str, str]]:
    """Of each file below the project: what it is said to be, and where it was moved."""
    ran = site.run("verify", "--json", *options)
    answer = json.loads(ran.out)
    assert ran.code == int(answer["bad"] > 0)
    told = {each["path"].removeprefix(f"{site.root}/"): each for each in answer["verdicts"]}
    assert all(each["copy"] == path.startswith("fast/") for path, each in told.items())
    return {path: (each["status"], each["moved_to"]) for path, each in told.items()}


def data_of(ran: Any) -> Any:
    return json.loads(ran.out)


def present(site: InProcess) -> dict[str, bool]:
    """Whether ComfyUI finds what is named, by name."""
    references = data_of(site.run("scan", "--json"))["references"]
    return {each["name"]: each["present"] for each in references}


@pytest.mark.parametrize("options", [(), ("--store",), ("--anew",), ("--store", "--anew")])
def test_verify_looks_at_the_copies_too(
    inprocess: InProcess, fast: Path, options: tuple[str, ...]
) -> None:
    found = verdicts(inprocess, *options)
    copies = {path for path in found if path.startswith("fast/")}
    assert copies == {f"fast/loras/{LORA}", *(f"fast/diffusers/sdxl/{n}" for n in PIPELINE[1:])}
    assert len(found) == 2 * len(copies)
    assert {status for path, (status, _) in found.items() if path in copies} == {"ok"}


@pytest.mark.parametrize("name", [f"loras/{LORA}", "diffusers/sdxl/vae/v.safetensors"])
@pytest.mark.parametrize("store", [(), ("--store", "--move")])
def test_a_bad_copy_is_out_of_comfyuis_way_whole(
    inprocess: InProcess, fast: Path, name: str, store: tuple[str, ...]
) -> None:
    """Its size and times are as they were: only its bytes tell."""
    before = inprocess.files()
    path = fast / name
    info, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    status, moved = verdicts(inprocess, *store)[f"fast/{name}"]
    assert (status, Path(moved).parent) == ("wrong", fast / ".comfyfix/aside")
    unit = fast.joinpath(*name.split("/")[:2])
    assert not unit.exists()
    assert Path(moved, *name.split("/")[2:]).read_bytes() != data
    assert inprocess.files() == before
    assert {status for status, _ in verdicts(inprocess, *store).values()} <= {"ok", "unverified"}
    assert inprocess.run("tiers").code == 0
    assert path.read_bytes() == data


def test_what_is_moved_only_if_that_is_asked_for(inprocess: InProcess, fast: Path) -> None:
    path = fast / "loras" / LORA
    path.write_bytes(b"damaged")
    assert verdicts(inprocess, "--store")[f"fast/loras/{LORA}"] == ("damaged", "")
    assert path.read_bytes() == b"damaged"


def test_a_strangers_file_is_looked_at_since_comfyui_opens_it(
    inprocess: InProcess, fast: Path
) -> None:
    """It is told, and stays: it may be meant. One that is damaged is moved away."""
    digest = sha256_of(inprocess.models / "loras" / LORA)
    inprocess.manifest(tiers={"fast": "fast"}, models={LORA: {"sha256": digest}})
    place = fast / "loras" / LORA
    place.unlink()
    inprocess.run("tiers")
    place.unlink()
    Tier(fast)._file.unlink()
    place.write_bytes(file_for("other.safetensors", seed="x", size=SIZE))
    assert verdicts(inprocess)[f"fast/loras/{LORA}"] == ("wrong", "")
    place.write_bytes(b"no model at all")
    status, moved = verdicts(inprocess)[f"fast/loras/{LORA}"]
    assert (status, moved != "", place.exists()) == ("damaged", True, False)


def test_half_a_directory_of_a_stranger_is_told(inprocess: InProcess, fast: Path) -> None:
    Tier(fast)._file.unlink()
    (fast / "diffusers/sdxl/vae/v.safetensors").unlink()
    found = verdicts(inprocess)
    assert found["fast/diffusers/sdxl/vae/v.safetensors"] == ("missing", "")
    assert found["ComfyUI/models/diffusers/sdxl/vae/v.safetensors"][0] != "missing"
    (fast / "diffusers/sdxl/model_index.json").unlink()  # ComfyUI opens this one and finds none
    present = {
        r["name"]: r["present"] for r in data_of(inprocess.run("scan", "--json"))["references"]
    }
    assert present == {LORA: True, "sdxl": False}


def test_store_shows_the_copies_and_counts_no_model_twice(inprocess: InProcess, fast: Path) -> None:
    (fast / "mine.txt").write_bytes(bytes(123))
    told = data_of(inprocess.run("store", "--json", "--hash"))
    size = sum(p.stat().st_size for p in inprocess.models.rglob("*") if p.is_file())
    assert told["all"]["duplicates"] == 0
    assert len(told["files"]) == len(PIPELINE)
    tier = told["tier"]
    assert [copy["path"] for copy in tier["copies"]] == ["diffusers/sdxl", f"loras/{LORA}"]
    assert (tier["bytes"], tier["limit"], tier["others"]) == (size, 500_000, 123)
    shown = inprocess.run("store", "--all").out
    assert f"loras/{LORA}" in shown
    inprocess.manifest(tiers={"fast": None, "size": None})
    assert data_of(inprocess.run("store", "--json"))["tier"] is None


@pytest.mark.parametrize("link", ["none", "folder", "file"])
def test_dedupe_and_gc_know_of_no_copy(inprocess: InProcess, fast: Path, link: str) -> None:
    """Also where a link of the store leads to copies: they are equal to what they are copies of."""
    if link == "folder":
        (inprocess.models / "loras/more").symlink_to(fast / "loras")
    elif link == "file":
        (inprocess.models / "loras/b.safetensors").symlink_to(fast / "loras" / LORA)
    before, copies = inprocess.files(), {p: p.stat() for p in fast.rglob("*.safetensors")}
    if link != "file":
        told = data_of(inprocess.run("store", "--json", "--hash"))
        assert (len(told["files"]), told["all"]["duplicates"]) == (len(PIPELINE), 0)
    assert inprocess.run("dedupe", "--yes").code == 0
    assert inprocess.files() == before
    inprocess.run("gc", "--yes", "--all")
    assert inprocess.files() == before
    now = {p: p.stat() for p in fast.rglob("*.safetensors")}
    assert {p: (i.st_ino, i.st_nlink) for p, i in now.items()} == {
        p: (i.st_ino, 1) for p, i in copies.items()
    }
    assert not {i.st_ino for i in now.values()} & {
        p.lstat().st_ino for p in inprocess.models.rglob("*")
    }


@pytest.mark.parametrize("stale", [False, True])
def test_the_file_of_the_store_is_needed_whatever_the_tier_has(
    inprocess: InProcess, fast: Path, stale: bool
) -> None:
    """Also once the manifest names no tier any more and ComfyUI is still told of one."""
    if stale:
        inprocess.manifest(tiers={"fast": None, "size": None})
    told = data_of(inprocess.run("gc", "--json", "--yes", "--all"))
    assert told["moved"] == []
    answer = data_of(inprocess.run("store", "--json"))
    assert {row["model"] for row in answer["files"] if row["needed_by"]} == {
        f"loras/{LORA}", *(f"diffusers/sdxl/{name}" for name in PIPELINE[1:]),
    }  # fmt: skip
    assert len(answer["files"]) == len(PIPELINE)
    assert inprocess.project().folders.place("loras", "new") == f"{inprocess.models}/loras/new"


def test_what_gc_moves_away_leaves_the_tier_first(inprocess: InProcess, fast: Path) -> None:
    need(inprocess, "other.safetensors", "other")
    told = data_of(inprocess.run("gc", "--json", "--yes", "--all"))
    assert [each["model"] for each in told["moved"]] == [f"loras/{LORA}"]
    assert not (fast / "loras" / LORA).exists()
    assert (fast / "diffusers/sdxl/model_index.json").exists()  # as what it is a copy of
    inprocess.run("gc", "--restore")
    need(inprocess, LORA)
    assert inprocess.run("tiers").code == 0
    assert (fast / "loras" / LORA).exists()


def test_gc_leaves_what_has_a_copy_that_can_not_leave(inprocess: InProcess, fast: Path) -> None:
    need(inprocess, "other.safetensors", "other")
    (fast / "loras" / LORA).write_bytes(b"mine")
    told = data_of(inprocess.run("gc", "--json", "--yes", "--all"))
    assert [(each["model"], each["why"]) for each in told["left"]] == [
        (f"loras/{LORA}", Why.TIER_CHANGED)
    ]
    with Tier(fast).held():
        told = data_of(inprocess.run("gc", "--json", "--yes", "--all"))
    assert [each["why"] for each in told["left"]] == [Why.TIER_BUSY]
    assert (inprocess.models / "loras" / LORA).exists()


@pytest.mark.parametrize("away", [False, True])
def test_a_model_that_moves_is_found_at_its_new_place_alone(
    inprocess: InProcess, fast: Path, away: bool
) -> None:
    if away:  # its disk is not mounted
        fast.rename(inprocess.root / "away")
    assert inprocess.run("move", LORA, "checkpoints").code == 0
    assert inprocess.run("move", "diffusers/sdxl", "checkpoints").code == 0
    if away:
        return
    left = [path for path in fast.rglob("*") if ".comfyfix" not in path.parts and path.is_file()]
    assert left == []
    need(inprocess, LORA)
    present = {
        r["name"]: r["present"] for r in data_of(inprocess.run("scan", "--json"))["references"]
    }
    assert present == {LORA: False, "sdxl": False}


def test_what_only_the_tier_has_is_there_as_comfyui_says(
    inprocess: InProcess, fast: Path, hub: Hub
) -> None:
    (inprocess.models / "loras" / LORA).unlink()
    shutil.rmtree(inprocess.models / "diffusers/sdxl")
    assert present(inprocess) == {LORA: True, "sdxl": True}
    assert data_of(inprocess.run("list", "--json"))["pending"] == []
    before = {p: p.read_bytes() for p in fast.rglob("*.safetensors")}
    assert {status for status, _ in verdicts(inprocess).values()} <= {"ok", "unverified"}
    inprocess.run("tiers")
    assert {p: p.read_bytes() for p in fast.rglob("*.safetensors")} == before


def test_a_receipt_says_nothing_of_a_copy(inprocess: InProcess, fast: Path, hub: Hub) -> None:
    """Where size and time are taken for proof, since a copy has those of its model."""
    settings: dict[str, Any] = {"verify": {"identity": "mtime"}, "tiers": {"fast": "fast"}}
    inprocess.manifest(**settings)
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    inprocess.workflow("w.json", ("loras", "harbor_light.safetensors"))
    assert inprocess.run().code == 0
    assert inprocess.run("tiers").code == 0
    inprocess.project().layout.hashes.unlink()
    path = fast / "loras/harbor_light.safetensors"
    info, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert verdicts(inprocess)["fast/loras/harbor_light.safetensors"][0] == "wrong"


def test_what_we_have_fetched_and_the_store_has_lost_comes_back_from_the_tier(
    inprocess: InProcess, fast: Path, hub: Hub
) -> None:
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    inprocess.workflow("w.json", ("loras", "harbor_light.safetensors"))
    ran = inprocess.run()
    assert ran.code == 0, ran
    assert inprocess.run("tiers").code == 0
    place = inprocess.models / "loras/harbor_light.safetensors"
    digest = sha256_of(place)
    place.unlink()
    hub.seen.clear()
    ran = inprocess.run()
    assert ran.code == 0, ran
    assert sha256_of(place) == digest
    assert place.stat().st_nlink == 1
    assert not [seen for seen in hub.seen if "/resolve/" in str(seen)]


def test_nothing_in_the_tier_becomes_a_link(inprocess: InProcess, fast: Path) -> None:
    copy = fast / "loras" / LORA
    sought = Sought(sha256_of(copy), copy.stat().st_size)
    leads = {lead.path: lead.linkable for lead in Nearby(tier=str(fast)).leads(sought)}
    assert leads[str(copy)] is False
    assert not any(leads.values())


@pytest.mark.parametrize("name", ["diffusers/sdxl", f"loras/{LORA}"])
def test_what_is_not_as_we_have_made_it_is_never_removed(
    inprocess: InProcess, fast: Path, name: str
) -> None:
    changed = fast / name / "mine.txt" if name.endswith("sdxl") else fast / name
    changed.write_bytes(b"mine")
    with Tier(fast).held() as tier:
        work = copying.Copying(tier, HashLog(inprocess.root / "log"), bool)
        work.remove(tier.copies[name])
        assert name not in tier.copies
    assert changed.read_bytes() == b"mine"


def test_what_the_manifest_alone_is_against_stays_in_the_tier(
    inprocess: InProcess, fast: Path
) -> None:
    inprocess.put("loras", "a.pt", file_for("a.pt", size=SIZE))
    need(inprocess, "a.pt")
    assert inprocess.run("tiers").code == 0
    assert (fast / "loras" / "a.pt").exists()
    tiers = {"fast": "fast", "size": "500 kB"}
    inprocess.manifest(tiers=tiers, verify={"pickle": "refuse"})
    assert verdicts(inprocess)["fast/loras/a.pt"] == ("unsafe", "")
    assert (fast / "loras" / "a.pt").exists()


def test_a_copy_that_is_moved_aside_is_told_with_its_new_place(
    inprocess: InProcess, fast: Path
) -> None:
    path = fast / "loras" / LORA
    path.write_bytes(b"damaged")
    done = inprocess.run("verify")
    assert done.code == 1
    (moved,) = (fast / ".comfyfix" / "aside").iterdir()
    assert done.out.count(f"{checking.copy_moved(str(path), str(moved))}\n") == 1
