"""`comfyfix init`: the ComfyUI that is found, and a manifest that the next command reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from comfyfix.settings import MANIFEST, read
from comfyfix.why import Why
from tests.inprocess import InProcess

LORA = ("loras", "ant.safetensors")


@pytest.fixture
def bare(inprocess: InProcess) -> InProcess:
    """A folder with a ComfyUI in it, and no manifest."""
    (inprocess.root / MANIFEST).unlink()
    for name in ("main.py", "nodes.py"):
        (inprocess.comfyui / name).write_text("")
    (inprocess.comfyui / "custom_nodes").mkdir()
    return inprocess


def test_what_is_written_is_what_the_next_command_reads(bare: InProcess) -> None:
    bare.workflow("w.json", LORA)
    done = bare.run("init")
    assert done.code == 0, done.err
    assert read.load(bare.root / MANIFEST).comfyui == str(bare.comfyui)
    assert str(bare.comfyui) in done.out
    assert bare.run("list", "-q").out == "download:ant\n"


def test_plan_is_advised_where_there_is_a_workflow_to_plan_for(bare: InProcess) -> None:
    assert "`comfyfix plan`" not in bare.run("init", "--dry-run").out
    assert "comfyfix plan" not in bare.run("init").out
    (bare.root / MANIFEST).unlink()
    bare.workflow("w.json", LORA)
    assert "comfyfix plan" in bare.run("init").out


def test_a_manifest_that_is_there_is_left(bare: InProcess) -> None:
    bare.run("init")
    before = (bare.root / MANIFEST).read_bytes()
    for command in (("init",), ("init", "--dry-run")):
        done = bare.run(*command)
        assert (done.code, done.out) == (3, "")
        assert str(bare.root / MANIFEST) in done.err
    assert (bare.root / MANIFEST).read_bytes() == before
    assert json.loads(bare.run("init", "--json").out)["error"]["why"] == Why.MANIFEST_THERE


def test_a_dry_run_writes_nothing(bare: InProcess) -> None:
    done = bare.run("init", "--dry-run")
    assert done.code == 0
    assert not (bare.root / MANIFEST).exists()
    told = json.loads(bare.run("init", "--json", "--dry-run").out)
    assert told["version"] == 1
    assert (told["written"], told["comfyui"]["path"]) == (False, str(bare.comfyui))
    assert all(line in done.out for line in told["text"].splitlines())


def test_others_are_named_on_the_screen_and_in_the_manifest(bare: InProcess) -> None:
    other = bare.home / "ComfyUI"
    (other / "models").mkdir(parents=True)
    done = bare.run("init")
    assert str(other) in done.out
    assert "~/ComfyUI" in (bare.root / MANIFEST).read_text()


def test_nothing_found_tells_where_it_was_looked_for(bare: InProcess) -> None:
    empty = bare.root / "empty"
    empty.mkdir()
    done = bare.run("init", str(empty))
    assert (done.code, str(empty) in done.err) == (3, True)
    assert "`comfyfix init PATH`" in done.err
    assert bare.run("init", "a", "b").code == 3


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "x: y # z",
        "new\nline",
        "'\"\\",
        "ü ✓",
        "{a}",
        "\u2028",
        "~x",
        "-",
        "${HOME}",
        "\udcff",
    ],
)
def test_whatever_a_folder_is_called(bare: InProcess, name: str) -> None:
    folder = bare.root / name
    bare.comfyui.rename(folder)
    done = bare.run("init", f"./{name}")
    if done.code == 0:
        assert read.load(bare.root / MANIFEST, {}).comfyui == str(folder)
    else:
        assert name in ("${HOME}", "\udcff")
        assert not (bare.root / MANIFEST).exists()


def test_a_file_of_paths_that_is_broken_is_told(bare: InProcess) -> None:
    (bare.comfyui / "extra_model_paths.yaml").write_text("a: [")
    done = bare.run("init")
    assert (done.code, "extra_model_paths.yaml" in done.err) == (0, True)


def test_a_folder_that_may_not_be_written(bare: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, data: bytes, *, mode: int) -> None:
        raise PermissionError(13, os.strerror(13), str(path))

    monkeypatch.setattr("comfyfix.tasks.commands.init.write_new", refused)
    done = bare.run("init")
    assert (done.code, os.strerror(13) in done.err) == (3, True)
