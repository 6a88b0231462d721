"""Directories and sets of shards, from the workflow to the verdict: each file, and nothing half."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub
from comfyfix.demo.shelf import Repository, sha256
from comfyfix.disk.lease import owner
from comfyfix.outcomes import Outcome
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site

REPO = "microsoft/Florence-2-lantern"
NAME = "Florence-2-lantern"
FLORENCE = {
    "config.json": b'{"model_type": "florence2"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": file_for("model.safetensors", seed="florence"),
    "modeling_florence2.py": b"print('code')",
    "README.md": b"# A card",
}
READ = ("config.json", "model.safetensors", "tokenizer.json")


def needs(site: Site, name: str = NAME, url: str = "", kind: str = "Florence2ModelLoader") -> None:
    """Save a workflow with one loader of a directory."""
    node: dict[str, object] = {"class_type": kind, "inputs": {"model": name}}
    if url:
        site.workflows.joinpath("w.json").write_text(
            json.dumps(
                {
                    "nodes": [
                        {
                            "id": 1,
                            "type": kind,
                            "widgets_values": [name],
                            "properties": {
                                "models": [{"name": name, "url": url, "directory": "LLM"}]
                            },
                        }
                    ],
                    "links": [],
                }
            )
        )
        return
    site.workflows.joinpath("w.json").write_text(json.dumps({"1": node}))


def on_hub(hub: Hub, repo: str = REPO, files: Mapping[str, bytes] = FLORENCE) -> str:
    """Publish a repository; return its commit."""
    hub.add(repo, ()).files.update(files)
    return hub.repositories[repo].commit


def _outcome(site: Site) -> str:
    """How the newest try has ended."""
    (entry,) = site.state("ledger.json")["models"].values()
    return str(entry["attempts"][-1]["outcome"])


def whole(files: Mapping[str, bytes] = FLORENCE, below: str = f"LLM/{NAME}") -> dict[str, str]:
    """What has to lie in the store."""
    return {f"{below}/{name}": sha256(files[name]) for name in READ}


def test_a_directory_is_found_fetched_and_verified(site: Site, hub: Hub) -> None:
    commit = on_hub(hub)
    needs(site)
    shown = json.loads(site.doit("plan", "--json").stdout)
    (row,) = shown["models"]
    assert row["size"] == shown["total_bytes"] == sum(len(FLORENCE[name]) for name in READ)
    assert row["files"] == len(READ)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == whole()
    (batch,) = site.state("verified/batch_001.json")["verified"]
    assert [file["status"] for file in batch["files"]] == ["ok"] * len(READ)
    assert batch["status"] == "ok"
    told = site.doit("why", NAME).stdout
    assert commit in told
    assert t("{count} files", count=len(READ)) in told
    asked = len(hub.seen)
    again = site.doit()
    assert again.returncode == 0
    assert len(hub.seen) == asked
    assert t("Nothing is pending") in site.doit("list").stdout
    assert site.doit("verify").returncode == 0


@pytest.mark.parametrize("form", ["tree/main", "", "resolve/main/config.json"])
def test_the_workflow_says_where_it_is(site: Site, hub: Hub, form: str) -> None:
    on_hub(hub, "maker/other-name")
    needs(site, url=f"https://huggingface.co/maker/other-name/{form}".rstrip("/"))
    assert site.doit().returncode == 0
    assert site.files() == whole()


def test_a_note_says_where_it_is(site: Site, hub: Hub) -> None:
    on_hub(hub, f"someone/{NAME}")
    on_hub(hub, f"other/{NAME}", {**FLORENCE, "config.json": b'{"model_type": "other"}'})
    text = f"Get it: https://huggingface.co/someone/{NAME}/tree/main."
    note = {"id": 2, "type": "Note", "widgets_values": [text]}
    loader = {"id": 1, "type": "Florence2ModelLoader", "widgets_values": [NAME]}
    value = {"nodes": [loader, note], "links": []}
    site.workflows.joinpath("w.json").write_text(json.dumps(value))
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == whole()


def test_a_folder_of_a_repository(site: Site, hub: Hub) -> None:
    files = {f"models/{NAME}/{path}": data for path, data in FLORENCE.items()}
    on_hub(hub, "microsoft/Florence-collection", files)
    needs(site)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == whole()


def test_the_same_contents_are_one_and_others_are_uncertain(site: Site, hub: Hub) -> None:
    on_hub(hub)
    on_hub(hub, f"mirror/{NAME}")
    needs(site)
    hub.repositories[REPO].downloads = 10_000
    assert site.doit("plan").returncode == 0
    other = {**FLORENCE, "model.safetensors": file_for("model.safetensors", seed="tuned")}
    on_hub(hub, f"tuner/{NAME}", other)
    site.output.joinpath("sources").rename(site.output / "gone")
    done = site.doit()
    assert done.returncode == 1
    assert f"tuner/{NAME}" in done.stdout
    assert _outcome(site) == Outcome.UNCERTAIN
    assert not site.files()


def test_a_part_that_is_missing_is_fetched_and_nothing_else(site: Site, hub: Hub) -> None:
    on_hub(hub)
    needs(site)
    assert site.doit().returncode == 0
    site.models.joinpath("LLM", NAME, "tokenizer.json").unlink()
    site.models.joinpath("LLM", NAME, "mine.txt").write_text("of the user")
    assert "incomplete" in site.doit("list").stdout
    shown = json.loads(site.doit("plan", "--json").stdout)
    assert shown["total_bytes"] == len(FLORENCE["tokenizer.json"])
    asked = len(hub.seen)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {**whole(), f"LLM/{NAME}/mine.txt": sha256(b"of the user")}
    assert not any("model.safetensors" in str(request) for request in hub.seen[asked:])


def test_a_side_file_of_the_user_is_a_conflict(site: Site, hub: Hub) -> None:
    on_hub(hub)
    needs(site)
    assert site.doit("plan").returncode == 0
    site.put("LLM", f"{NAME}/config.json", b"of the user")
    done = site.doit()
    assert done.returncode == 1
    assert _outcome(site) == Outcome.CONFLICT
    assert site.files() == {f"LLM/{NAME}/config.json": sha256(b"of the user")}


def test_a_failure_in_the_middle_leaves_no_directory(site: Site, hub: Hub) -> None:
    on_hub(hub)
    needs(site)
    hub.faults.append(Fault(f"file {REPO}/tokenizer.json", "404", times=9))
    assert site.doit().returncode == 1
    assert not site.models.joinpath("LLM", NAME).exists()
    hub.faults.clear()
    assert site.doit().returncode == 0
    assert site.files() == whole()


def test_a_hostile_pickle_in_a_directory(site: Site, hub: Hub) -> None:
    bad = b"cos\nsystem\n(S'true'\ntR."
    files = {"config.json": b"{}", "pytorch_model.bin": bad}
    on_hub(hub, files=files)
    needs(site)
    done = site.doit()
    assert done.returncode == 1
    assert "unsafe" in done.stdout
    assert not site.models.joinpath("LLM", NAME).exists()


def test_code_comes_only_where_the_user_allows_it(site: Site, hub: Hub) -> None:
    config = b'{"auto_map": {"AutoModel": "modeling_florence2.Florence2"}}'
    on_hub(hub, files={**FLORENCE, "config.json": config})
    needs(site)
    assert "modeling_florence2.py" in site.doit("plan").stdout + site.doit("why", NAME).stdout
    assert site.doit().returncode == 0
    assert not any(path.endswith(".py") for path in site.files())
    site.manifest(verify={"remote_code": "allow"})
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert f"LLM/{NAME}/modeling_florence2.py" in site.files()


@pytest.mark.parametrize("names", [("Config.json",), ("CON.json",), ("tokenizer.JSON",)])
def test_names_that_no_disk_should_have_are_refused(
    site: Site, hub: Hub, names: tuple[str, ...]
) -> None:
    on_hub(hub, files={**FLORENCE, **dict.fromkeys(names, b"{}")})
    needs(site)
    assert site.doit().returncode == 1
    assert not site.files()


def test_what_has_no_rule_is_for_the_user_to_choose(site: Site, hub: Hub) -> None:
    """A directory whose loader is not known: the choices are told, with their bytes."""
    repo = "maker/ember-vlm"
    files = {
        "config.json": b"{}",
        "ember-Q4.gguf": file_for("x.gguf", seed="4"),
        "ember-Q8.gguf": file_for("x.gguf", seed="8"),
    }
    on_hub(hub, repo, files)
    inputs = {"int4_model": "ember-vlm", "use_4bit_t5": "enable"}
    node = {"class_type": "NunchakuTextEncoderLoader", "inputs": inputs}
    site.workflows.joinpath("w.json").write_text(json.dumps({"1": node}))
    done = site.doit()
    assert done.returncode == 1
    assert _outcome(site) == Outcome.UNCERTAIN
    assert "ember-Q8.gguf" in done.stdout
    assert not site.files()
    address = f"https://huggingface.co/{repo}/tree/main"
    assert site.doit("pin", "ember-vlm", f"{address}#ember-Q5.gguf").returncode != 0
    pinned = site.doit("pin", "ember-vlm", f"{address}#ember-Q8.gguf")
    assert pinned.returncode == 0, pinned.stderr
    done = site.doit()
    assert done.returncode == 0, done.stdout
    name = "text_encoders/ember-vlm/ember-Q8.gguf"
    assert site.files() == {name: sha256(files["ember-Q8.gguf"])}


def test_the_only_choice_of_a_loader_without_a_rule_is_for_the_user_too(
    site: Site, hub: Hub
) -> None:
    data = file_for("x.gguf", seed="8")
    on_hub(hub, "maker/ember-vlm", {"config.json": b"{}", "ember-Q8.gguf": data})
    node = {"class_type": "NunchakuTextEncoderLoader", "inputs": {"int4_model": "ember-vlm"}}
    site.workflows.joinpath("w.json").write_text(json.dumps({"1": node}))
    done = site.doit()
    assert done.returncode == 1, "nobody has said that the loader reads this file"
    assert _outcome(site) == Outcome.UNCERTAIN
    assert not site.files()
    address = "https://huggingface.co/maker/ember-vlm"
    assert site.doit("pin", "ember-vlm", address).returncode == 0
    assert site.doit().returncode == 0
    assert site.files() == {"text_encoders/ember-vlm/ember-Q8.gguf": sha256(data)}


SET = {
    f"ember-t5-0000{n}-of-00003.safetensors": file_for("x.safetensors", seed=f"part {n}")
    for n in (1, 2, 3)
}


def test_shards_are_one_model(site: Site, hub: Hub) -> None:
    first, second, _ = SET
    site.workflow("w.json", ("text_encoders", first), ("text_encoders", second))
    site.workflow("v.json", ("text_encoders", second))
    on_hub(hub, "maker/ember-t5", SET)
    shown = json.loads(site.doit("plan", "--json").stdout)
    (row,) = shown["models"]
    assert row["size"] == sum(map(len, SET.values()))
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"text_encoders/{n}": sha256(d) for n, d in SET.items()}
    assert t("Nothing is pending") in site.doit("list").stdout
    site.models.joinpath("text_encoders", second).unlink()
    assert "incomplete" in site.doit("list").stdout
    assert site.doit().returncode == 0
    assert len(site.files()) == len(SET)


def test_a_set_that_lacks_a_part_at_its_source_is_not_begun(site: Site, hub: Hub) -> None:
    first, second, _ = SET
    site.workflow("w.json", ("text_encoders", first))
    on_hub(hub, "maker/ember-t5", {first: SET[first], second: SET[second]})
    done = site.doit()
    assert done.returncode == 1
    assert "00003" in done.stdout
    assert not site.files()


def test_a_set_whose_index_tells_of_other_parts_is_not_begun(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("text_encoders", next(iter(SET))))
    index = json.dumps({"weight_map": {"a": next(iter(SET))}}).encode()
    on_hub(hub, "maker/ember-t5", {**SET, "ember-t5.safetensors.index.json": index})
    done = site.doit()
    assert done.returncode == 1
    told = because(
        Why.CONTENTS_INDEX, index="ember-t5.safetensors.index.json", name=next(iter(SET))
    )
    assert words.sentence(told) in done.stdout
    assert not site.files()


def test_what_a_killed_download_of_a_directory_has_left_is_cleaned(site: Site, hub: Hub) -> None:
    on_hub(hub)
    needs(site)
    hub.faults.append(Fault(f"file {REPO}/tokenizer.json", "404", times=9))
    assert site.doit().returncode == 1
    (left,) = site.models.joinpath("LLM").iterdir()
    assert left.name.startswith(f".{NAME}.")
    note = left.parent / f".{NAME}.{owner.where()}.{os.getpid()}.work"
    note.mkdir()
    site.doit("clean")
    assert left.exists(), "somebody is at work on it"
    note.rmdir()
    mine = left.with_name(f".{NAME}.mine.new")
    mine.mkdir()
    assert site.doit("clean").returncode == 0
    assert [path.name for path in left.parent.iterdir()] == [mine.name]


@pytest.mark.parametrize("name", [NAME, "other"])
def test_what_was_there_before_is_looked_into(site: Site, hub: Hub, name: str) -> None:
    site.put("LLM", f"{name}/config.json", b"{}")
    site.put("LLM", f"{name}/pytorch_model.bin", b"cos\nsystem\n(S'true'\ntR.")
    needs(site, name)
    done = site.doit()
    assert done.returncode == 1
    assert "pytorch_model.bin" in done.stdout
    assert f"LLM/{name}/pytorch_model.bin.unsafe" in site.files()


def test_a_directory_that_says_what_it_lacks_is_completed(site: Site, hub: Hub) -> None:
    """It came without us: its index names a shard that is not there."""
    shards = {str(n): f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}
    index = json.dumps({"weight_map": shards}).encode()
    files = {
        "config.json": b"{}",
        "model.safetensors.index.json": index,
        "model-00001-of-00002.safetensors": file_for("x.safetensors", seed="1"),
        "model-00002-of-00002.safetensors": file_for("x.safetensors", seed="2"),
    }
    on_hub(hub, files=files)
    for path in [*files][:3]:
        site.put("LLM", f"{NAME}/{path}", files[path])
    needs(site)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"LLM/{NAME}/{path}": sha256(data) for path, data in files.items()}
    assert sum("00001-of" in seen.path and "/cdn/" in seen.path for seen in hub.seen) == 0


def test_scan_tells_a_set_of_which_some_is_there(site: Site, hub: Hub) -> None:
    first, second, _ = SET
    site.workflow("w.json", ("text_encoders", first))
    site.put("text_encoders", first, SET[first])
    site.put("text_encoders", second, SET[second])
    shown = site.doit("scan").stdout
    assert t("incomplete") in shown
    assert t("lacks {lacking} of {wanted}", lacking=1, wanted=1) in shown
    (row,) = json.loads(site.doit("scan", "--json").stdout)["references"]
    assert not row["present"]
    assert site.doit("scan", "--check").returncode == 1


NAMELESS = {
    f"model-{n:05d}-of-00002.safetensors": file_for("x.safetensors", seed=f"{n}") for n in (1, 2)
}


@pytest.mark.parametrize("owner", ["google", "someone"])
def test_parts_whose_name_says_nothing_are_found_by_their_folder(
    site: Site, hub: Hub, owner: str
) -> None:
    """As repositories are called; others with parts of the same names are not looked at."""
    hub.add("maker/other-gemma-lantern", ()).files.update(dict.fromkeys(NAMELESS, b"other"))
    hub.add("maker/model-of-two", ()).files.update(dict.fromkeys(NAMELESS, b"another"))
    on_hub(hub, f"{owner}/gemma-lantern-12b-it", NAMELESS)
    name = next(iter(NAMELESS))
    site.workflow("w.json", ("text_encoders", f"gemma-lantern-12b-it/{name}"))
    done = site.doit()
    assert done.returncode == 0, done.stdout
    below = "text_encoders/gemma-lantern-12b-it"
    assert site.files() == {f"{below}/{name}": sha256(data) for name, data in NAMELESS.items()}


def test_parts_in_a_folder_of_another_name_are_not_taken(site: Site, hub: Hub) -> None:
    on_hub(hub, "google/gemma-lantern-12b-it", NAMELESS)
    site.workflow("w.json", ("text_encoders", f"gemma-lantern/{next(iter(NAMELESS))}"))
    assert site.doit().returncode == 1
    assert not site.files()


@pytest.mark.parametrize("there", [False, True])
def test_the_addresses_of_all_shards_are_embedded(site: Site, hub: Hub, there: bool) -> None:
    first, second, third = SET
    site.workflow("w.json", ("text_encoders", second))
    commit = on_hub(hub, "maker/ember-t5", SET)
    if there:
        for name, data in SET.items():
            site.put("text_encoders", name, data)
    assert site.doit("embed").returncode == 0
    copy = json.loads(site.workflows.joinpath("w.comfyfix.json").read_text())
    models = copy["nodes"][0]["properties"]["models"]
    assert {(m["name"], m["url"].rpartition("/")[2], m["hash"]) for m in models} == {
        (name, name, sha256(SET[name])) for name in (first, second, third)
    }
    assert all(commit in m["url"] for m in models)


def test_a_directory_behind_a_gate_is_told_with_its_size(site: Site, hub: Hub) -> None:
    on_hub(hub)
    hub.repositories[REPO].gated = True
    needs(site)
    (row,) = json.loads(site.doit("plan", "--json").stdout)["models"]
    assert row["outcome"] == Outcome.TOKEN_NEEDED
    assert row["size"] == sum(len(FLORENCE[name]) for name in READ)
    hub.tokens = {"hf_good"}
    done = site.doit(HF_TOKEN="hf_good")
    assert done.returncode == 0, done.stdout
    assert site.files() == whole()


def test_a_directory_that_is_searched_again_keeps_what_is_right(site: Site, hub: Hub) -> None:
    on_hub(hub)
    needs(site)
    assert site.doit().returncode == 0
    names = [
        line for line in site.doit("list", "--all", "-q").stdout.split() if "download:" in line
    ]
    hub.repositories[REPO].files["generation_config.json"] = b"{}"
    assert site.doit("forget", names[0]).returncode == 0
    asked = len(hub.seen)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {**whole(), f"LLM/{NAME}/generation_config.json": sha256(b"{}")}
    assert not any("/cdn/" in seen.path for seen in hub.seen[asked:])


def test_a_shard_that_an_earlier_version_took_for_all_is_completed(site: Site, hub: Hub) -> None:
    first, *others = SET
    site.workflow("w.json", ("text_encoders", first))
    on_hub(hub, "maker/ember-t5", SET)
    assert site.doit().returncode == 0
    (path,) = site.output.joinpath("sources").iterdir()
    record = json.loads(path.read_text())
    member = next(file for file in record.pop("files") if file["path"] == first)
    path.write_text(json.dumps({**record, "size": member["size"], "sha256": member["sha256"]}))
    for name in others:
        site.models.joinpath("text_encoders", name).unlink()
    assert "incomplete" in site.doit("list").stdout
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert set(site.files()) == {f"text_encoders/{name}" for name in SET}


def test_two_loaders_of_one_directory_get_what_either_reads(site: Site, hub: Hub) -> None:
    parts = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")
    files = {f"{part}.safetensors": file_for("x.safetensors", seed=part) for part in parts}
    files |= {f"{part.partition('/')[0]}/config.json": b"{}" for part in parts}
    files["scheduler/scheduler_config.json"] = b"{}"
    index = {name.partition("/")[0]: ["diffusers", "Model"] for name in parts}
    index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
    files["model_index.json"] = json.dumps(index).encode()
    on_hub(hub, "stabilityai/lantern-delight", files)
    kinds = {"DiffusersLoader": "model_path", "LoadStableDelightModel": "model"}
    nodes = {
        str(number): {"class_type": kind, "inputs": {name: "lantern-delight"}}
        for number, (kind, name) in enumerate(kinds.items())
    }
    site.workflows.joinpath("w.json").write_text(json.dumps(nodes))
    done = site.doit()
    assert set(site.files()) == {f"diffusers/lantern-delight/{path}" for path in files}, done.stdout
    assert done.returncode == 0, done.stdout


def test_a_file_that_nobody_tells_a_hash_of_makes_the_directory_unverified(
    site: Site, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror may leave git's ids out."""
    monkeypatch.setattr(Repository, "oid", lambda *_: "")
    on_hub(hub)
    needs(site)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    (good,) = site.state("verified/batch_001.json")["verified"]
    assert good["status"] == "unverified"
    told = {file["path"].rpartition("/")[2]: file["status"] for file in good["files"]}
    assert told.pop("model.safetensors") == "ok"
    assert {*told.values()} == {"unverified"}
    (model,) = json.loads(site.doit("report", "--json").stdout)["models"]
    assert model["status"] == "unverified"
