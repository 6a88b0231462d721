"""Ready means that ComfyUI takes it: what is told of values that it refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import fixed, t
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.unit.graphs import Json, node, ui

READY, STEP = (
    t("ready"),
    t("choose it in the node, or run `doit relink`".replace("doit", "comfyfix")),
)


def save(site: InProcess, kind: str, name: str = "w.json", **inputs: object) -> None:
    graph: Json = {"1": {"class_type": kind, "inputs": inputs}}
    (site.workflows / name).write_text(json.dumps(graph))


def refused(value: str, kind: str, instead: str) -> str:
    told = "ComfyUI refuses {value} in node {node} ({type}); its list has {instead}"
    return t(told, value=value, node="1", type=kind, instead=instead)


@pytest.mark.parametrize("value", ["SDXL\\x.pth", "./SDXL/x.pth", "/SDXL/x.pth", "a/../SDXL/x.pth"])
def test_a_file_that_is_there_under_another_value_is_not_ready(
    inprocess: InProcess, value: str
) -> None:
    inprocess.put("vae", "SDXL/x.pth")
    save(inprocess, "VAELoader", vae_name=value)
    line = refused(value, "VAELoader", "SDXL/x.pth")
    for command in ((), ("list",), ("scan",)):
        done = inprocess.run(*command)
        assert done.code == int(not command), done
        assert line in done.out
        assert STEP in done.out
        assert f"w.json: {READY}" not in done.out
    save(inprocess, "VAELoader", vae_name="SDXL/x.pth")
    for command in ((), ("list",)):
        done = inprocess.run(*command)
        assert done.code == 0
        assert STEP not in done.out
    assert f"w.json: {READY}" in inprocess.run("scan").out


def test_what_was_fetched_is_told_as_refused_when_the_run_ends(
    inprocess: InProcess, hub: Hub
) -> None:
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    save(inprocess, "LoraLoader", lora_name="a\\harbor_light.safetensors")
    save(inprocess, "LoraLoader", "other.json", lora_name="b\\gone.safetensors")
    done = inprocess.run("download:harbor_light")
    assert done.code == 0, done
    assert inprocess.files().keys() == {"loras/a/harbor_light.safetensors"}
    assert refused("a\\harbor_light.safetensors", "LoraLoader", "a/harbor_light.safetensors") in (
        done.out
    )
    assert "other.json" not in done.out
    assert inprocess.run("workflow:w").code == 1


def test_only_what_a_run_is_to_make_ready_decides_how_it_ends(inprocess: InProcess) -> None:
    for name in ("x.pth", "y.pth"):
        inprocess.put("vae", f"SDXL/{name}")
    save(inprocess, "VAELoader", "bad.json", vae_name="SDXL\\x.pth")
    save(inprocess, "VAELoader", "good.json", vae_name="SDXL/y.pth")
    assert inprocess.run("workflow:good").code == 0
    path = inprocess.workflows / "bad.json"
    for command in (("workflow:bad",), (f"workflow={path}",), (), ("-r", "json")):
        assert inprocess.run(*command).code == 1, command
    inprocess.manifest(ignore=["*x.pth"])
    done = inprocess.run()
    assert done.code == 0, done
    assert STEP not in done.out


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("CR LoRA Stack", {"switch_2": "Off", "lora_name_2": "gone.pth"}),
        ("LoRA Stacker", {"lora_count": 1, "lora_name_1": "None", "lora_name_3": "gone.pth"}),
        ("easy loraStack", {"toggle": False, "num_loras": 3, "lora_1_name": "gone.pth"}),
    ],
)
def test_a_row_that_is_off_is_refused_all_the_same(
    inprocess: InProcess, kind: str, inputs: Json
) -> None:
    told = "ComfyUI refuses {value} in node {node} ({type}): the row is off, the file is absent"
    save(inprocess, kind, **inputs)
    for command in ((), ("list",), ("scan",)):
        done = inprocess.run(*command)
        assert done.code == int(not command), done
        assert t(told, value="gone.pth", node="1", type=kind) in done.out
        assert f"w.json: {READY}" not in done.out
    inprocess.put("loras", "gone.pth")
    assert f"w.json: {READY}" in inprocess.run("scan").out


def test_rows_that_comfyui_does_not_look_at_are_found_by_name(
    inprocess: InProcess, hub: Hub
) -> None:
    for place in ("char/Char_Game.safetensors", "pony/Thing.safetensors", "a/d_v1.1.safetensors"):
        inprocess.put("loras", place)
    hub.add("maker/other", ["Char_Game.safetensors", "Thing.safetensors"])
    names: Sequence[str] = ("Char_Game", "old\\Thing.safetensors", "d_v1.1")
    rows = [{"name": name, "strength": 1, "active": True} for name in names]
    save(inprocess, "Lora Loader (LoraManager)", loras={"__value__": rows})
    power = {f"lora_{n}": {"on": True, "lora": name, "strength": 1} for n, name in enumerate(names)}
    save(inprocess, "Power Lora Loader (rgthree)", "b.json", **power)
    tags = " ".join(f"<lora:{name}:1>" for name in names)
    save(inprocess, "ImpactWildcardEncode", "c.json", wildcard_text=tags)
    before = inprocess.files()
    done = inprocess.run()
    assert done.code == 0, done
    assert t("Nothing to do: the {count} needed models are present.", count=3) in done.out
    assert inprocess.files() == before
    told = inprocess.run("scan").out
    assert told.count(READY) >= 3
    assert t("absent") not in told


def test_what_is_found_by_name_needs_no_second_file(inprocess: InProcess, hub: Hub) -> None:
    hub.add("maker/harbor_light", ["harbor_light.safetensors"])
    save(inprocess, "LoraTagLoader", text="<lora:harbor_light:1> <lora:old/harbor_light:1>")
    save(inprocess, "LoraLoader", "z.json", lora_name="new/harbor_light.safetensors")
    assert inprocess.pending() == ["download:harbor_light"]
    assert inprocess.run().code == 0
    assert inprocess.files().keys() == {"loras/new/harbor_light.safetensors"}
    assert inprocess.pending() == []


@pytest.mark.parametrize("value", ["base", "x.safetensors ", "x.safetensors [abc1234567]", "a\nb"])
def test_a_value_that_can_be_no_file_is_told_and_ends_with_1(
    inprocess: InProcess, value: str
) -> None:
    inprocess.put("checkpoints", "x.safetensors")
    save(inprocess, "CheckpointLoaderSimple", ckpt_name=value)
    done = inprocess.run()
    assert done.code == 1, done
    assert t("choose the model again in ComfyUI and save the workflow") in done.out
    (row,) = json.loads(inprocess.run("scan", "--json").out)["references"]
    assert (row["value"], row["present"]) == (value, False)
    assert t("lacks {lacking} of {wanted}", lacking=1, wanted=1) in inprocess.run("scan").out


@pytest.mark.parametrize("value", [None, "", 7, ["gone", 0], {"name": "x.safetensors"}])
def test_what_is_no_name_is_told_and_ends_with_1(inprocess: InProcess, value: object) -> None:
    inprocess.put("checkpoints", "x.safetensors")
    save(inprocess, "CheckpointLoaderSimple", ckpt_name=value)
    done = inprocess.run()
    assert done.code == 1, done
    assert t("choose the model again in ComfyUI and save the workflow") in done.out
    (row,) = json.loads(inprocess.run("scan", "--json").out)["references"]
    assert row["value"] == (value if value == "" else json.dumps(value))
    assert f"w.json: {READY}" not in inprocess.run("scan").out
    inprocess.put("checkpoints", "null")
    assert inprocess.run().code == 1


def test_an_ending_of_a_pack_is_one(inprocess: InProcess, hub: Hub) -> None:
    hub.add("maker/harbor_light", ["harbor_light.fooocus.patch"])
    save(inprocess, "INPAINT_LoadFooocusInpaint", patch="harbor_light.fooocus.patch")
    inprocess.run()
    assert inprocess.files().keys() == {"inpaint/harbor_light.fooocus.patch"}


def test_a_name_of_civitais_generator_is_fetched_as_that_version(
    inprocess: InProcess, hub: Hub
) -> None:
    version = hub.add_civitai("Detail", "add_detail.safetensors")
    value = f"urn:air:sdxl:lora:civitai:{version.model_id}@{version.id}"
    save(inprocess, "LoraLoader", lora_name=value)
    done = inprocess.run()
    assert done.code == 1, done
    name = f"civitai-{version.model_id}-{version.id}.safetensors"
    assert (inprocess.models / "loras" / name).read_bytes() == file_for("add_detail.safetensors")
    assert refused(value, "LoraLoader", name) in done.out


def test_an_address_of_one_workflow_serves_another(inprocess: InProcess, hub: Hub) -> None:
    name = "harbor_light.safetensors"
    hub.add("author/official", [f"files/{name}"])
    hub.add("someone/mix", [name])
    hub.repositories["someone/mix"].files[name] = file_for("another.safetensors")
    url = f"https://huggingface.co/author/official/resolve/main/files/{name}"
    note = {"id": 2, "type": "MarkdownNote", "widgets_values": [f"Get [it]({url})."]}
    (inprocess.workflows / "a.json").write_text(json.dumps({"nodes": [note], "links": []}))
    save(inprocess, "LoraLoader", lora_name=f"sub/{name}")
    done = inprocess.run()
    assert done.code == 0, done
    assert (inprocess.models / "loras" / "sub" / name).read_bytes() == file_for(name)


def test_a_file_that_the_manifest_names_and_that_holds_none_is_told(inprocess: InProcess) -> None:
    save(inprocess, "VAELoader", vae_name="x.pth")
    inprocess.put("vae", "x.pth")
    (inprocess.root / "none.json").write_text('{"a": 1}')
    (inprocess.workflows / "index.json").write_text('{"a": 1}')
    inprocess.manifest(workflows=["none.json", str(inprocess.workflows)])
    told = t("{path} holds no workflow", path=inprocess.root / "none.json")
    for command in ((), ("list",), ("scan",), ("plan",), ("verify",)):
        done = inprocess.run(*command)
        assert done.code == 0, done
        assert done.err.count(told) == 1, command
        assert "index.json" not in done.err


def test_parts_of_a_folder_may_have_folders_of_their_own(inprocess: InProcess) -> None:
    (inprocess.comfyui / "extra_model_paths.yaml").write_text(
        "x:\n  base_path: ext\n  ultralytics: U\n  ultralytics_bbox: BB\n  ultralytics_segm: SS\n"
    )
    for place in ("BB/face.pt", "SS/person.pt"):
        path = inprocess.comfyui / "ext" / place
        path.parent.mkdir(parents=True)
        path.write_bytes(file_for(path.name))
    save(inprocess, "UltralyticsDetectorProvider", model_name="bbox/face.pt")
    save(inprocess, "UltralyticsDetectorProvider", "b.json", model_name="segm/person.pt")
    assert inprocess.pending() == []
    assert fixed("Total models: {count}", count=1) not in inprocess.run().out
    assert inprocess.run("scan").out.count(READY) >= 2


@pytest.mark.parametrize("policy", ["warn", "fail"])
def test_a_file_that_contradicts_the_hash_of_its_workflow(
    inprocess: InProcess, hub: Hub, policy: str
) -> None:
    name = "harbor_light.safetensors"
    hub.add("author/official", [name])
    hub.add("someone/harbor_light", [name])
    hub.repositories["author/official"].files[name] = file_for("new.safetensors")
    inprocess.manifest(verify={"workflow_hash": policy}, search={"sources": ["store", "workflow"]})
    entry = {
        "name": name,
        "url": f"https://huggingface.co/author/official/resolve/main/{name}",
        "directory": "loras",
        "hash": sha256(file_for(name)),
        "hash_type": "SHA256",
    }
    loader = node(1, "LoraLoader", name, 1, 1, properties={"models": [entry]})
    (inprocess.workflows / "w.json").write_text(json.dumps(ui(loader)))
    told = words.sentence(because(Why.REPLACED_SINCE))
    done = inprocess.run()
    assert done.code == (1 if policy == "fail" else 0), done
    assert (told in done.out) is (policy == "warn")
    assert (f"loras/{name}" in inprocess.files()) is (policy == "warn")
    if policy == "fail":
        assert words.sentence(because(Why.HASH_NOT_TOLD)) in done.out
        inprocess.manifest(verify={"workflow_hash": policy})
        assert inprocess.run().code == 0
        assert inprocess.files() == {f"loras/{name}": sha256(file_for(name))}


def test_a_record_of_another_hash_is_not_used_again_when_the_user_wants_the_workflows(
    inprocess: InProcess, hub: Hub
) -> None:
    name = "harbor_light.safetensors"
    hub.add("author/official", [name])
    hub.repositories["author/official"].files[name] = file_for("new.safetensors")
    url = f"https://huggingface.co/author/official/resolve/main/{name}"
    entry = {"name": name, "url": url, "hash": "0" * 64, "hash_type": "SHA256"}
    loader = node(1, "LoraLoader", name, 1, 1, properties={"models": [entry]})
    (inprocess.workflows / "w.json").write_text(json.dumps(ui(loader)))
    assert inprocess.run("plan").code == 0
    inprocess.manifest(verify={"workflow_hash": "fail"})
    assert inprocess.run().code == 1
    assert inprocess.files() == {}
