"""Directories and sets against a hostile hub, other hands in the store, and each other."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub
from comfyfix.demo.shelf import sha256
from comfyfix.outcomes import Outcome
from tests.rig import Site

REPO = "microsoft/Florence-2-lantern"
NAME = "Florence-2-lantern"
FILES = {
    "config.json": b'{"model_type": "florence2"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": file_for("model.safetensors", seed="florence"),
}
SHARDS = {
    f"model-0000{number}-of-00002.safetensors": file_for("model.safetensors", seed=f"part {number}")
    for number in (1, 2)
}
INDEX = json.dumps({"weight_map": dict(enumerate(SHARDS))}).encode()
GEMMA = {
    "config.json": b"{}",
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors.index.json": INDEX,
    **SHARDS,
}


def needs(site: Site, *nodes: tuple[str, Mapping[str, object]]) -> None:
    graph = {
        str(number): {"class_type": kind, "inputs": inputs}
        for number, (kind, inputs) in enumerate(nodes)
    }
    site.workflows.joinpath("w.json").write_text(json.dumps(graph))


def florence(site: Site, name: str = NAME) -> None:
    needs(site, ("Florence2ModelLoader", {"model": name}))


def on_hub(hub: Hub, repo: str = REPO, files: Mapping[str, bytes] = FILES) -> None:
    hub.add(repo, ()).files.update(files)


def outcomes(site: Site) -> set[str]:
    models = site.state("ledger.json")["models"].values()
    return {str(entry["attempts"][-1]["outcome"]) for entry in models if entry["attempts"]}


def whole(files: Mapping[str, bytes] = FILES, below: str = f"LLM/{NAME}") -> dict[str, str]:
    return {f"{below}/{name}": sha256(data) for name, data in files.items()}


def test_a_repository_that_changes_after_the_search_is_not_mixed(site: Site, hub: Hub) -> None:
    """The record is of one commit: what comes from another is not taken for it."""
    on_hub(hub)
    florence(site)
    assert site.doit("plan").returncode == 0
    hub.repositories[REPO].files.update(
        {"config.json": b'{"model_type": "another"}',
         "model.safetensors": file_for("model.safetensors", seed="another")}
    )  # fmt: skip
    done = site.doit()
    found = site.files()
    assert found in ({}, whole(), whole(dict(hub.repositories[REPO].files))), done.stdout


@pytest.mark.parametrize("path", ["config.json", "model.safetensors"])
def test_a_file_that_is_not_what_was_listed_leaves_nothing(
    site: Site, hub: Hub, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_hub(hub)
    florence(site)
    repository = hub.repositories[REPO]
    # The list tells what it told before, and another content of the same length is given.
    told = repository.describe(full=True, blobs=True, scans=True)
    bad = FILES[path][:-3] + bytes(b ^ 1 for b in FILES[path][-3:])
    monkeypatch.setattr(type(repository), "describe", lambda *_a, **_k: told)
    commit = repository.commit
    monkeypatch.setattr(type(repository), "commit", property(lambda _self: commit))
    repository.files[path] = bad
    done = site.doit()
    assert done.returncode == 1, done.stdout
    assert not site.models.joinpath("LLM", NAME).exists(), done.stdout


def test_a_file_in_the_place_of_the_directory_stays(site: Site, hub: Hub) -> None:
    on_hub(hub)
    florence(site)
    site.put("LLM", NAME, b"of the user")
    done = site.doit()
    assert done.returncode == 1
    assert site.files() == {f"LLM/{NAME}": sha256(b"of the user")}


def test_a_link_that_leads_out_of_the_store_is_not_written_through(
    site: Site, hub: Hub, tmp_path: Path
) -> None:
    on_hub(hub)
    florence(site)
    out = tmp_path / "elsewhere"
    out.mkdir()
    site.models.joinpath("LLM").mkdir(parents=True, exist_ok=True)
    site.models.joinpath("LLM", NAME).symlink_to(out)
    done = site.doit()
    assert list(out.iterdir()) == [], done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("what", ["link", "file", "full"])
def test_what_stands_where_it_is_gathered_is_not_believed(
    site: Site, hub: Hub, tmp_path: Path, what: str
) -> None:
    """Anybody can guess the name of the folder in which the files are gathered."""
    on_hub(hub)
    florence(site)
    hub.faults.append(Fault(f"file {REPO}/model.safetensors", "404", times=9))
    assert site.doit().returncode == 1
    hub.faults.clear()
    (new,) = site.models.joinpath("LLM").glob(".*.new")
    shutil.rmtree(new)
    out = tmp_path / "elsewhere"
    out.mkdir()
    if what == "link":
        new.symlink_to(out)
    elif what == "file":
        new.write_bytes(b"x")
    else:
        new.mkdir()
        (new / "config.json").write_bytes(b"{'evil': 1}")
        (new / "evil.py").write_bytes(b"import os")
        (new / "model.safetensors").symlink_to("/etc/passwd")
    done = site.doit()
    assert list(out.iterdir()) == []
    if done.returncode == 0:
        assert site.files() == whole(), done.stdout
    else:
        assert not site.models.joinpath("LLM", NAME).exists()


def test_a_directory_and_a_set_that_share_files(site: Site, hub: Hub) -> None:
    """One owns what both need, the other waits; each is whole at the end."""
    on_hub(hub, "google/gemma-lantern", GEMMA)
    first = next(iter(SHARDS))
    needs(
        site,
        ("SanaCLIPLoader", {"model_name": "gemma-lantern"}),
        ("LTXVGemmaCLIPModelLoader", {"gemma_path": f"gemma-lantern/{first}"}),
    )
    site.manifest(models={
        f"text_encoders/gemma-lantern/{first}":
            {"url": f"https://huggingface.co/google/gemma-lantern/resolve/main/{first}"},
    })  # fmt: skip
    done = site.doit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.files() == whole(GEMMA, "text_encoders/gemma-lantern")
    assert site.doit().returncode == 0


def test_a_directory_inside_another(site: Site, hub: Hub) -> None:
    inner = {**FILES, "config.json": b'{"inner": 1}'}
    on_hub(hub)
    on_hub(hub, "microsoft/inner-lantern", inner)
    needs(
        site,
        ("DeepseekRun", {"model": NAME}),
        ("DeepseekRun", {"model": f"{NAME}/inner-lantern"}),
    )
    done = site.doit()
    both = {**whole(), **whole(inner, f"LLM/{NAME}/inner-lantern")}
    assert site.files() == both, done.stdout + done.stderr


def test_shards_that_are_counted_from_nought(site: Site, hub: Hub) -> None:
    names = [f"model-0000{number}-of-00002.safetensors" for number in range(3)]
    files = {name: file_for("model.safetensors", seed=name) for name in names}
    files["model.safetensors.index.json"] = json.dumps(
        {"weight_map": dict(enumerate(names))}
    ).encode()
    files["config.json"] = b"{}"
    files["tokenizer.model"] = b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02"
    files["preprocessor_config.json"] = b'{"a": 1}'
    on_hub(hub, "openai/oss-lantern", files)
    needs(site, ("LTXVGemmaCLIPModelLoader", {"gemma_path": f"oss-lantern/{names[1]}"}))
    done = site.doit()
    want = whole(files, "text_encoders/oss-lantern")
    assert site.files() in (want, {}), done.stdout
    assert (done.returncode == 0) == (site.files() == want), done.stdout
    if site.files():
        (site.models / "text_encoders" / "oss-lantern" / names[0]).unlink()
        assert site.doit("verify").returncode == 1
        assert site.doit().returncode == 0
        assert site.files() == want


def test_a_file_that_the_user_has_changed_since_is_not_replaced(site: Site, hub: Hub) -> None:
    on_hub(hub)
    florence(site)
    assert site.doit().returncode == 0
    config = site.models / "LLM" / NAME / "config.json"
    config.write_bytes(b'{"mine": true}')
    done = site.doit()
    assert config.exists()
    assert config.read_bytes() == b'{"mine": true}', done.stdout
    assert site.doit("verify").returncode == 1


def test_a_side_file_that_the_hub_replaces_is_told_at_the_next_search(site: Site, hub: Hub) -> None:
    on_hub(hub)
    florence(site)
    assert site.doit().returncode == 0
    hub.repositories[REPO].files["config.json"] = b'{"model_type": "newer"}'
    asked = len(hub.seen)
    assert site.doit().returncode == 0
    assert len(hub.seen) == asked
    assert site.files() == whole()


def test_a_folder_that_may_not_be_written_is_told(site: Site, hub: Hub) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    on_hub(hub)
    florence(site)
    site.models.joinpath("LLM").mkdir()
    site.models.joinpath("LLM").chmod(0o500)
    done = site.doit()
    assert done.returncode == 1
    assert outcomes(site) == {Outcome.UNWRITABLE}


@pytest.mark.parametrize(
    "value", [f"{NAME}/", f"./{NAME}", f"a/../{NAME}", "..", f"{NAME}/../..", ".", "~", "CON"]
)
def test_odd_names_of_directories(site: Site, hub: Hub, value: str) -> None:
    on_hub(hub)
    florence(site, value)
    before = {path for path in site.root.rglob("*") if path.name == "config.json"}
    done = site.doit()
    assert "Traceback" not in done.stdout + done.stderr
    assert site.files() in ({}, whole()), done.stdout
    after = {path for path in site.root.rglob("*") if path.name == "config.json"}
    assert len(after - before) <= 1


@pytest.mark.soak
def test_many_files(site: Site, hub: Hub) -> None:
    many = {f"part{number}.json": b'{"number": %d}' % number for number in range(40)}
    on_hub(hub, files={**FILES, **many})
    florence(site)
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == whole({**FILES, **many})


def test_an_imitator_is_not_taken_for_what_the_node_names(site: Site, hub: Hub) -> None:
    own, bad = "microsoft/Florence-2-large", "m1crosoft/Florence-2-large"
    evil = {**FILES, "model.safetensors": file_for("model.safetensors", seed="evil")}
    on_hub(hub, bad, evil)
    hub.repositories[bad].downloads = 9_000_000
    florence(site, "Florence-2-large")
    assert site.doit().returncode == 1
    assert site.files() == {}
    on_hub(hub, own)
    assert site.doit().returncode == 0
    assert site.files() == whole(below="LLM/Florence-2-large")


@pytest.mark.parametrize(
    "name", ["lantern $(touch pwned) `touch pwned`", "lan'tern; touch pwned", "-n"]
)
def test_names_say_nothing_to_a_shell(site: Site, hub: Hub, name: str) -> None:
    names = [f"{name}-0000{number}-of-00002.gguf" for number in (1, 2)]
    on_hub(hub, "maker/lantern-gguf", {each: file_for("x.gguf", seed=each) for each in names})
    needs(site, ("CLIPLoaderGGUF", {"clip_name": names[0]}))
    url = f"https://huggingface.co/maker/lantern-gguf/resolve/main/{quote(names[0])}"
    site.manifest(models={names[0]: {"url": url}})
    done = site.doit()
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(site.root.rglob("pwned*"))
    if name == "-n":
        assert done.returncode == 1
    else:
        assert {Path(path).name for path in site.files()} == set(names), done.stdout


def test_an_index_that_leads_out_is_refused(site: Site, hub: Hub) -> None:
    index = json.dumps({"weight_map": {"a": "../../../vae/x.safetensors"}}).encode()
    on_hub(hub, files={"config.json": b"{}", "model.safetensors.index.json": index})
    florence(site)
    assert site.doit().returncode == 1
    assert site.files() == {}


def test_directories_of_one_repository_are_each_their_own(site: Site, hub: Hub) -> None:
    """Two nodes name two folders of one repository, and a third the same by another spelling."""
    files = {
        f"{folder}/{path}": data if path != "config.json" else f'{{"of": "{folder}"}}'.encode()
        for folder in ("lantern-a", "lantern-b")
        for path, data in FILES.items()
    }
    on_hub(hub, "maker/lanterns", files)
    needs(
        site,
        ("DeepseekRun", {"model": "lantern-a"}),
        ("DeepseekRun", {"model": "lantern-b"}),
        ("Florence2ModelLoader", {"model": "lantern-a"}),
    )
    models = {
        f"LLM/{name}": {"url": f"https://huggingface.co/maker/lanterns/tree/main/{name}"}
        for name in ("lantern-a", "lantern-b")
    }
    site.manifest(models=models)
    done = site.doit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.files() == {f"LLM/{path}": sha256(data) for path, data in files.items()}


def test_a_place_that_is_told_and_found_is_told_once(site: Site, hub: Hub) -> None:
    on_hub(hub, files={"config.json": b"{}", "model.safetensors.index.json": INDEX})
    florence(site)
    node = {"id": 1, "type": "Florence2ModelLoader", "widgets_values": [NAME]}
    hint = {"name": NAME, "url": f"https://huggingface.co/{REPO}", "directory": "LLM"}
    told = {"nodes": [{**node, "properties": {"models": [hint]}}], "links": []}
    site.workflows.joinpath("w.json").write_text(json.dumps(told))
    done = site.doit()
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if REPO in line)
    assert line.count(REPO) == 1, line
