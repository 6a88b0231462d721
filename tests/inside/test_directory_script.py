"""The script of a directory or a set: whole or not at all, file by file, nothing replaced."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub
from comfyfix.demo.shelf import git_id, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.disk.lease import leftovers
from comfyfix.net.urls.hosts import HUGGINGFACE
from comfyfix.records import FileFact, Model, Record
from comfyfix.settings.mirror import name_of
from tests.rig import Site, put_script

REPO = "maker/Lantern-large"
FILES = {
    "config.json": b'{"model_type": "lantern"}',
    "tokenizer/vocab.json": b'{"a": 1}',
    "model-00001-of-00002.safetensors": file_for("a.safetensors", seed="one"),
    "model-00002-of-00002.safetensors": file_for("a.safetensors", seed="two"),
}
MODEL = Model(folder="LLM", path="Lantern-large")


def record_of(
    site: Site, hub: Hub, model: Model = MODEL, destination: Path | None = None
) -> Record:
    """What a search would have found."""
    hub.add(REPO, ()).files.update(FILES)
    commit = hub.repositories[REPO].commit
    facts = [
        FileFact(
            path=path,
            url=f"{HUGGINGFACE}/{REPO}/resolve/{commit}/{path}",
            size=len(data),
            sha256=None if path.endswith(".json") else sha256(data),
            blob=git_id(data) if path.endswith(".json") else "",
        )
        for path, data in FILES.items()
    ]
    return Record(
        source="huggingface",
        where=REPO,
        repo=REPO,
        url=f"{HUGGINGFACE}/{REPO}/tree/{commit}",
        size=sum(map(len, FILES.values())),
        number=1,
        model=model,
        destination=str(destination or site.models / "LLM" / "Lantern-large"),
        store=str(site.models),
        files=tuple(facts),
    )


def lies(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its hash."""
    return {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def whole(files: Mapping[str, bytes] = FILES) -> dict[str, str]:
    return {path: sha256(files[path]) for path in sorted(files)}


@pytest.mark.parametrize("alone", [False, True])
def test_an_absent_directory_is_made_whole(site: Site, hub: Hub, alone: bool) -> None:
    record = record_of(site, hub)
    script = put_script(site.output / "one.sh", record, alone=alone)
    done = site.script(script)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(record.destination)
    assert lies(folder) == whole()
    assert os.listdir(folder.parent) == [folder.name]
    asked = len(hub.seen)
    again = site.script(script)
    assert again.returncode == 0
    assert len(hub.seen) == asked


def test_a_directory_that_has_some_is_completed(site: Site, hub: Hub) -> None:
    record = record_of(site, hub)
    folder = Path(record.destination)
    folder.mkdir(parents=True)
    folder.joinpath("config.json").write_bytes(FILES["config.json"])
    folder.joinpath("mine.txt").write_bytes(b"of the user")
    inode = folder.stat().st_ino
    done = site.script(put_script(site.output / "one.sh", record))
    assert done.returncode == 0, done.stdout + done.stderr
    assert lies(folder) == {**whole(), "mine.txt": sha256(b"of the user")}
    assert folder.stat().st_ino == inode
    assert not any("config.json" in request for request in map(str, hub.seen))


@pytest.mark.parametrize("path", ["config.json", "model-00002-of-00002.safetensors"])
def test_another_file_of_a_name_is_a_conflict(site: Site, hub: Hub, path: str) -> None:
    record = record_of(site, hub)
    folder = Path(record.destination)
    folder.mkdir(parents=True)
    folder.joinpath(path).write_bytes(b"of the user")
    done = site.script(put_script(site.output / "one.sh", record))
    assert done.returncode == 1
    assert path in done.stdout
    assert lies(folder) == {path: sha256(b"of the user")}
    assert not hub.seen


def test_a_set_is_put_beside_what_is_there(site: Site, hub: Hub) -> None:
    folder = site.models / "text_encoders"
    folder.mkdir(exist_ok=True)
    named = "model-00001-of-00002.safetensors"
    record = record_of(site, hub, Model(folder="text_encoders", path=named), folder / named)
    assert record.folder == str(folder)
    assert record.new == ""
    done = site.script(put_script(site.output / "one.sh", record))
    assert done.returncode == 0, done.stdout + done.stderr
    assert lies(folder) == whole()


def test_what_has_arrived_is_gone_on_with(site: Site, hub: Hub) -> None:
    record = record_of(site, hub)
    folder = Path(record.destination)
    script = put_script(site.output / "one.sh", record)
    hub.faults.append(Fault("file */model-00002-of-00002.safetensors", "404", times=1))
    done = site.script(script)
    assert done.returncode != 0
    assert not folder.exists()
    asked = len(hub.seen)
    done = site.script(script)
    assert done.returncode == 0, done.stdout
    assert lies(folder) == whole()
    assert not any("00001" in str(request) for request in hub.seen[asked:])


def test_a_link_in_the_place_of_the_directory(site: Site, hub: Hub, tmp_path: Path) -> None:
    record = record_of(site, hub)
    folder = Path(record.destination)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path / "nowhere")
    done = site.script(put_script(site.output / "one.sh", record))
    assert done.returncode == 1
    assert not (tmp_path / "nowhere").exists()
    folder.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    script = put_script(site.output / "two.sh", record)
    done = site.script(script, COMFYFIX_FOLDER=str(folder))  # as comfyfix itself has seen it before
    assert done.returncode == 1
    assert not list(elsewhere.iterdir())


@pytest.mark.soak
def test_several_at_once_end_well(site: Site, hub: Hub) -> None:
    record = record_of(site, hub)
    scripts = [put_script(site.output / str(n) / "one.sh", record) for n in range(4)]
    env = site.environment(HF_ENDPOINT=hub.url)
    running = [
        subprocess.Popen(
            ["bash", str(script)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for script in scripts
    ]
    for process in running:
        out, _ = process.communicate(timeout=100)
        assert process.returncode == 0, out
    folder = Path(record.destination)
    assert lies(folder) == whole()
    assert os.listdir(folder.parent) == [folder.name]
    assert not leftovers.abandoned(str(folder.parent), folder.name)


def test_each_file_with_a_sha256_is_asked_of_mirrors(site: Site, hub: Hub, tmp_path: Path) -> None:
    """What git keeps comes from the origin; a wrong file of a mirror is that one's affair."""
    record = record_of(site, hub)
    weights = [data for path, data in FILES.items() if not path.endswith(".json")]
    for data, held in zip(weights, (weights[0], bytes(len(weights[1]))), strict=True):
        path = tmp_path / "mirror" / name_of(sha256(data))
        path.parent.mkdir(parents=True)
        path.write_bytes(held)
    done = site.script(
        put_script(site.root / "download.sh", record), COMFYFIX_MIRROR=str(tmp_path / "mirror")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(record.destination)
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*")} == FILES
    asked = {seen.path.rpartition("/")[2] for seen in hub.seen if "/resolve/" in seen.path}
    assert asked == {"config.json", "vocab.json", "model-00002-of-00002.safetensors"}
