"""`move`: a model that lies in the wrong folder goes to the right one, and nothing else changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk import swap
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.verify import hashing
from comfyfix.why import Why
from tests.inprocess import InProcess

NAME = "autumn_grain.safetensors"


def told(site: InProcess, *names: str, code: int = 0, **extra: str) -> dict[str, Any]:
    ran = site.run("move", "--json", *names, **extra)
    assert ran.code == code, (ran.out, ran.err)
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def why(answer: dict[str, Any]) -> Any:
    return answer["stays"] and answer["stays"]["why"]


@pytest.fixture
def site(inprocess: InProcess) -> InProcess:
    """A file in loras/ that a workflow looks for in vae/."""
    inprocess.put("loras", NAME)
    inprocess.workflow("w.json", ("vae", NAME))
    return inprocess


def test_it_goes_where_the_workflow_finds_it(site: InProcess) -> None:
    before = site.files()
    answer = told(site, NAME, "vae", "--dry-run")
    assert (answer["did"], answer["to"], answer["finds"]) == ("shown", f"vae/{NAME}", ["w.json"])
    assert site.files() == before
    answer = told(site, f"loras/{NAME}", "vae")
    assert (answer["did"], answer["finds"], answer["loses"]) == ("moved", ["w.json"], [])
    assert list(site.files()) == [f"vae/{NAME}"]
    assert site.files()[f"vae/{NAME}"] == before[f"loras/{NAME}"]
    assert site.run("list", "-q").out == ""
    assert "w.json" in site.run("move", NAME, "loras").out


def test_receipts_go_with_it(site: InProcess, hub: Hub) -> None:
    hub.add("maker/autumn_grain", [NAME])
    (site.models / "loras" / NAME).unlink()
    site.workflow("w.json", ("loras", NAME))
    assert site.run("run", COMFYFIX_STORE_KEY="secret").code == 0
    site.workflow("w.json", ("vae", NAME))
    assert why(told(site, NAME, "vae", code=1)) == Why.DEDUPE_NO_KEY
    answer = told(site, NAME, "vae", COMFYFIX_STORE_KEY="secret")
    assert (answer["finds"], answer["loses"]) == (["w.json"], [])
    path = site.output / "downloaded_models.json"
    known = json.loads(path.read_text())["models"]
    assert list(known) == [f"vae/{NAME}"]
    info = (site.models / "vae" / NAME).stat()
    assert known[f"vae/{NAME}"]["ctime_ns"] == info.st_ctime_ns
    assert known[f"vae/{NAME}"]["path"] == str(site.models / "vae" / NAME)
    path.unlink()  # the signed one in the store counts for another checkout
    (there,) = site.project(COMFYFIX_STORE_KEY="secret").plan.present
    assert there.receipt


def test_what_a_killed_one_has_moved_is_finished(
    site: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("maker/autumn_grain", [NAME])
    (site.models / "loras" / NAME).unlink()
    site.workflow("w.json", ("loras", NAME))
    assert site.run("run").code == 0
    (site.models / "vae").mkdir()
    (site.models / "loras" / NAME).rename(site.models / "vae" / NAME)
    told(site, f"loras/{NAME}", "vae")
    known = json.loads((site.output / "downloaded_models.json").read_text())["models"]
    assert list(known) == [f"vae/{NAME}"]


def test_a_folder_may_lie_in_another(site: InProcess, hub: Hub) -> None:
    """What a killed one has moved from there is finished, too."""
    hub.add("maker/autumn_grain", [NAME])
    (site.models / "loras" / NAME).unlink()
    node = {"class_type": "LoadChatGLM3", "inputs": {"chatglm3_checkpoint": NAME}}
    (site.workflows / "w.json").write_text(json.dumps({"1": node}))
    assert site.run("run").code == 0
    there = site.models / "LLM" / "checkpoints" / NAME
    assert told(site, NAME, "vae", "--dry-run")["model"] == f"LLM/checkpoints/{NAME}"
    (site.models / "vae").mkdir()
    there.rename(site.models / "vae" / NAME)
    assert told(site, f"LLM/checkpoints/{NAME}", "vae")["to"] == f"vae/{NAME}"
    known = json.loads((site.output / "downloaded_models.json").read_text())["models"]
    assert list(known) == [f"vae/{NAME}"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((NAME,), Why.MOVE_NEEDS_BOTH),
        ((NAME, "vae", "x"), Why.MOVE_NEEDS_BOTH),
        ((NAME, "nothing"), Why.MOVE_FOLDER_UNKNOWN),
        ((NAME, "../vae"), Why.MOVE_FOLDER_UNKNOWN),
        ((NAME, "/tmp"), Why.MOVE_FOLDER_UNKNOWN),  # noqa: S108 - only a name
        ((NAME, "custom_nodes"), Why.MOVE_FOLDER_UNKNOWN),
        ((NAME, "configs"), Why.MOVE_NOT_LISTED),
        (("autumn_gran.safetensors", "vae"), Why.MOVE_NOT_FOUND),
        (("loras/../../manifest.yaml", "vae"), Why.MOVE_NOT_FOUND),
        (("loras/..", "vae"), Why.MOVE_NOT_FOUND),
    ],
)
def test_what_can_not_be_meant_is_refused(
    site: InProcess, names: tuple[str, ...], reason: Why
) -> None:
    before = site.files()
    assert told(site, *names, code=3)["error"]["why"] == reason
    assert site.files() == before


def test_two_of_one_name_have_to_be_told_apart(site: InProcess) -> None:
    site.put("checkpoints", NAME)
    assert told(site, NAME, "vae", code=3)["error"]["why"] == Why.MODELS_OF_ONE_NAME
    told(site, f"loras/{NAME}", "vae")


def test_nothing_is_replaced(site: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("vae", NAME, b"another")
    for options in (("--dry-run",), ()):
        stays = why(told(site, f"loras/{NAME}", "vae", *options, code=1))
        assert stays == Why.GC_PLACE_TAKEN
    (site.models / "vae" / NAME).unlink()
    real = swap.move

    def late(*given: Any) -> None:
        site.put("vae", NAME, b"another")
        real(*given)

    monkeypatch.setattr(swap, "move", late)
    assert why(told(site, f"loras/{NAME}", "vae", code=1)) == Why.GC_PLACE_TAKEN
    assert (site.models / "vae" / NAME).read_bytes() == b"another"
    assert (site.models / "loras" / NAME).read_bytes() == file_for(NAME)


def test_without_the_systems_means_it_is_moved_all_the_same(
    site: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "_renameat2", lambda: None)
    told(site, NAME, "vae")
    assert list(site.files()) == [f"vae/{NAME}"]


def test_what_is_at_work_or_linked_stays(site: InProcess) -> None:
    path = site.models / "loras" / NAME
    with path.open("ab"):
        assert why(told(site, NAME, "vae", code=1)) == Why.DEDUPE_WRITTEN
    (site.models / "vae").mkdir()
    for folder in ("loras", "vae"):
        lock = site.models / folder / f".{NAME}.lock"
        lock.symlink_to("elsewhere.7")
        assert why(told(site, NAME, "vae", code=1)) == Why.GC_AT_WORK
        lock.unlink()
    link = site.models / "checkpoints" / "other.safetensors"
    link.parent.mkdir()
    link.symlink_to(path)
    assert why(told(site, f"loras/{NAME}", "vae", code=1)) == Why.MOVE_LINKED
    assert why(told(site, "checkpoints/other.safetensors", "vae", code=1)) == Why.GC_IS_LINK
    assert path.exists()


def test_a_folder_that_leads_out_of_the_store_is_not_written_to(site: InProcess) -> None:
    outside = site.root / "outside"
    outside.mkdir()
    (site.models / "vae").symlink_to(outside)
    assert why(told(site, NAME, "vae", code=1)) == Why.GC_OUTSIDE
    assert list(outside.iterdir()) == []


def test_who_finds_it_where_it_is_is_told(site: InProcess) -> None:
    site.workflow("old.json", ("loras", NAME))
    answer = told(site, NAME, "vae", "--dry-run")
    assert (answer["finds"], answer["loses"]) == (["w.json"], ["old.json"])


def test_a_set_and_a_directory_go_as_a_whole(site: InProcess) -> None:
    parts = [f"sub/part-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for part in parts:
        site.put("text_encoders", part, part.encode())
    answer = told(site, f"text_encoders/{parts[0]}", "diffusion_models")
    assert len(answer["files"]) == 2
    assert {f"diffusion_models/{part}" for part in parts} <= set(site.files())
    for name in ("config.json", "model.safetensors"):
        site.put("LLM", f"Florence-2/{name}", name.encode())
    site.workflow("x.json", ("loras", NAME))
    folder = site.models / "LLM" / "Florence-2"
    (site.models / "loras" / "x").mkdir()
    with (folder / "config.json").open("ab"):
        assert why(told(site, "LLM/Florence-2", "diffusers", code=1)) == Why.DEDUPE_WRITTEN
    told(site, "LLM/Florence-2", "diffusers")
    assert not folder.exists()
    moved = site.models / "diffusers" / "Florence-2"
    assert sorted(os.listdir(moved)) == ["config.json", "model.safetensors"]
    assert Path(moved).is_dir()


def test_hashes_of_all_its_files_are_remembered_at_their_places(site: InProcess) -> None:
    parts = [f"part-0000{number}-of-00002.safetensors" for number in (1, 2)]
    files = [f"Florence-2/model{number}.safetensors" for number in (1, 2)]
    for part in parts:
        site.put("text_encoders", part, part.encode())
    for name in files:
        site.put("LLM", name, name.encode())
    assert site.run("store", "--hash").code == 0
    told(site, f"text_encoders/{parts[0]}", "diffusion_models")
    told(site, "LLM/Florence-2", "diffusers")
    places = {
        str(site.models / folder / name): sha256(name.encode())
        for folder, names in (("diffusion_models", parts), ("diffusers", files))
        for name in names
    }
    run = Run(site.project(), site.project)
    assert hashing.remembered(run, places) == places


def test_a_folder_that_begins_like_it_is_another(site: InProcess) -> None:
    for folder in ("Florence-2", "Florence-2-large"):
        site.put("LLM", f"{folder}/model.safetensors", folder.encode())
    answer = told(site, "LLM/Florence-2", "diffusers", "--dry-run")
    place = site.models / "diffusers" / "Florence-2" / "model.safetensors"
    assert [file["to"] for file in answer["files"]] == [str(place)]


def test_what_other_programs_use_too_stays(site: InProcess) -> None:
    site.manifest(also_look_in=[str(site.models / "loras")])
    assert why(told(site, NAME, "vae", code=1)) == Why.DEDUPE_OTHERS
    site.manifest(also_look_in=[str(site.models / "lor")])
    assert why(told(site, NAME, "vae", "--dry-run")) is None


def test_who_errs_in_a_name_is_told_the_nearest(site: InProcess) -> None:
    near = told(site, "x/autumn_gran.safetensors", "vae", code=3)["error"]
    assert NAME in near["message"]
    far = told(site, "quite_another.gguf", "vae", code=3)["error"]
    assert NAME not in far["message"]


def test_another_file_at_the_new_place_is_not_what_was_moved(site: InProcess, hub: Hub) -> None:
    hub.add("maker/autumn_grain", [NAME])
    site.workflow("w.json", ("loras", NAME))
    (site.models / "loras" / NAME).unlink()
    assert site.run("run").code == 0
    (site.models / "loras" / NAME).unlink()
    assert told(site, f"loras/{NAME}", "vae", code=3)["error"]["why"] == Why.MOVE_NOT_FOUND
    site.put("vae", NAME, file_for(NAME))
    assert told(site, f"loras/{NAME}", "vae", code=3)["error"]["why"] == Why.MOVE_NOT_FOUND
