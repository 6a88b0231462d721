"""A workflow that is named by its address: what is asked, what is kept, and what is told."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.screen.words import t
from tests.inprocess import InProcess
from tests.rig import ui_workflow
from tests.unit.test_media import picture

PAGE = "https://huggingface.co/maker/graphs/blob/main/deep/portrait.json"


def publish(hub: Hub, path: str, name: str, *, data: bytes | None = None) -> None:
    """Put a workflow that needs one upscaler onto the hub."""
    graph = json.dumps(ui_workflow([("upscale_models", name)])).encode()
    hub.add("maker/graphs", []).files[path] = graph if data is None else data


def asked(hub: Hub) -> int:
    return hub.count("GET", "/maker/graphs/resolve/main/*")


def kept(site: InProcess) -> list[Path]:
    return sorted((site.output / ".cache" / "workflows").glob("*/*"))


def test_what_it_needs_is_fetched_and_named_as_of_a_file(inprocess: InProcess, hub: Hub) -> None:
    publish(hub, "deep/portrait.json", "rare_x4.pth")
    hub.add("maker/rare", ["rare_x4.pth"])
    inprocess.workflow("other.json", ("vae", "not_asked.safetensors"))
    done = inprocess.run(f"workflow={PAGE}", HF_TOKEN="hf_secret")
    assert done.code == 0, done
    assert inprocess.files().keys() == {"upscale_models/rare_x4.pth"}
    [entry] = inprocess.state("missing_models.json")["models"]
    assert entry["model"] == "not_asked.safetensors"
    assert asked(hub) == 1
    [file] = kept(inprocess)
    assert file.name == "portrait.json"
    assert "hf_secret" not in file.read_text()
    assert inprocess.run(f"workflow={PAGE}").code == 0


@pytest.mark.parametrize(
    "command", [("scan",), ("list",), ("plan",), ("scan", "--json"), ("verify",)]
)
def test_commands_ask_once(inprocess: InProcess, hub: Hub, command: tuple[str, ...]) -> None:
    publish(hub, "deep/portrait.json", "rare_x4.pth")
    done = inprocess.run(*command, f"workflow={PAGE}")
    assert "rare_x4" in done.out + done.err, done
    assert asked(hub) == 1


def test_names_for_a_shell_are_made_of_what_was_kept(inprocess: InProcess, hub: Hub) -> None:
    publish(hub, "deep/portrait.json", "rare_x4.pth")
    for _ in range(3):
        assert inprocess.run("list", "-q", f"workflow={PAGE}").out == "download:rare_x4\n"
    assert asked(hub) == 1
    publish(hub, "deep/portrait.json", "newer_x4.pth")
    assert "newer_x4" in inprocess.run("list", f"workflow={PAGE}").out
    assert inprocess.run("list", "-q", f"workflow={PAGE}").out == "download:newer_x4\n"


def test_without_a_connection_the_copy_is_used_and_that_is_told(
    inprocess: InProcess, hub: Hub
) -> None:
    publish(hub, "deep/portrait.json", "rare_x4.pth")
    absent = inprocess.run("scan", f"workflow={PAGE}", "--offline")
    assert absent.code == 3, absent
    assert PAGE in absent.err
    assert "COMFYFIX_OFFLINE" in absent.err
    inprocess.run("scan", f"workflow={PAGE}")
    hub.faults.append(Fault("file *", "500"))
    for options in (("--offline",), ()):
        done = inprocess.run("scan", f"workflow={PAGE}", *options)
        assert "rare_x4.pth" in done.out
        assert t("could not be asked") in done.err, done
        assert PAGE in done.err


def test_two_addresses_of_one_name_are_two_workflows(inprocess: InProcess, hub: Hub) -> None:
    publish(hub, "a/portrait.json", "one_x4.pth")
    publish(hub, "b/portrait.json", "two_x4.pth")
    root = "https://huggingface.co/maker/graphs/resolve/main"
    done = inprocess.run("scan", "--json", f"{root}/a/portrait.json", f"{root}/b/portrait.json")
    rows = done.out
    assert "one_x4" in rows
    assert "two_x4" in rows
    assert len(kept(inprocess)) == 2
    inprocess.workflow("portrait.json", ("vae", "own.safetensors"))
    assert "two_x4" in inprocess.run("plan", f"workflow={root}/b/portrait.json").out
    shared = inprocess.run("scan", f"{root}/a/portrait.json?download=true")
    assert "one_x4" in shared.out
    assert len(kept(inprocess)) == 2


def test_a_picture_counts_as_what_it_holds(inprocess: InProcess, hub: Hub) -> None:
    graph = json.dumps(ui_workflow([("upscale_models", "rare_x4.pth")]))
    publish(hub, "shot.png", "", data=picture("PNG", workflow=graph))
    done = inprocess.run("scan", "https://huggingface.co/maker/graphs/blob/main/shot.png")
    assert "shot.png" in done.out
    assert "rare_x4.pth" in done.out


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"<!doctype html><title>x</title>", "a page, not a workflow"),
        (b"PK\x03\x04rest", "a zip, not a workflow"),
        (b'{"nodes": [', "broken JSON at line 1, column 12"),
        (b'{"name": "x"}', "it holds no workflow"),
        (b"", "it is empty"),
        (b"\xff\xfe", "broken JSON"),
    ],
)
def test_what_is_no_workflow_is_told_and_not_kept(
    inprocess: InProcess, hub: Hub, data: bytes, told: str
) -> None:
    publish(hub, "deep/portrait.json", "", data=data)
    for command in ((), ("scan",), ("list",)):
        done = inprocess.run(*command, f"workflow={PAGE}")
        assert done.code == 3, done
        assert PAGE in done.err
        assert t(told) in done.err, done.err
        assert t("Next:") in done.err
        assert done.out == ""
    assert kept(inprocess) == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://example.org/w.json", "only https"),
        ("http://127.0.0.1:1/w.json", "only https"),
        ("https://127.0.0.1/w.json", "its host is not a public name"),
        ("https://me:pass@github.com/w.json", "a user name before the host"),
        ("file:///etc/passwd", "only https"),
        ("https://example.org/w.json", "`download.allow_hosts`"),
        ("https://openart.ai/workflows/x", "a page, not a workflow"),
        ("https://www.comfyworkflows.com/x", "a page, not a workflow"),
        ("https://drive.google.com/file/d/x/view", "a page, not a workflow"),
        ("https://civitai.com/images/12345", "a page of Civitai"),
        ("https://civitai.com/models/1?modelVersionId=2", "a page of Civitai"),
        ("https://civitai.red/posts/5", "a page of Civitai"),
        ("https://huggingface.co/maker/graphs", "it names no file"),
        ("https://huggingface.co/maker/graphs/tree/main", "it names no file"),
        ("https://gist.github.com/me/0123456789abcdef#file-w-json", "a part of a page"),
        ("https://[broken/w.json", "it can't be read"),
        ("https://huggingface.co/maker/graphs/blob/main/gone.json", "it answers 404"),
        ("https://huggingface.co/maker/secret/blob/main/w.json", "`HF_TOKEN`"),
    ],
)
def test_what_can_not_be_had_says_what_to_do(
    inprocess: InProcess, hub: Hub, address: str, told: str
) -> None:
    publish(hub, "w.json", "rare_x4.pth")
    done = inprocess.run(f"workflow={address}")
    assert done.code == 3, done
    assert t(told) in done.err, done.err
    assert t("Next:") in done.err
    assert "pass@" not in done.err


def test_what_is_edited_has_to_be_a_file(inprocess: InProcess, hub: Hub) -> None:
    publish(hub, "deep/portrait.json", "rare_x4.pth")
    for command in ("relink", "embed"):
        done = inprocess.run(command, f"workflow={PAGE}")
        assert done.code == 3, done
        assert t("save the workflow, and name the file") in done.err
    assert asked(hub) == 0


def test_a_workflow_of_a_zip_is_named_by_its_path_in_it(inprocess: InProcess) -> None:
    def pack(*names: str) -> None:
        with zipfile.ZipFile(inprocess.root / "pack.zip", "w") as archive:
            for name in names:
                graph = ui_workflow([("vae", f"{name}.safetensors")])
                archive.writestr(f"in/{name}.json", json.dumps(graph))

    pack("one")
    assert inprocess.run("list", "-q", "workflow=pack.zip").out == "download:one\n"
    pack("one", "two")
    whole = inprocess.run("list", "workflow=pack.zip")
    assert whole.code == 3, whole
    assert "pack.zip/in/one.json, pack.zip/in/two.json" in whole.err
    one = inprocess.run("plan", "workflow=pack.zip/in/two.json")
    assert "two.safetensors" in one.out
    assert "one.safetensors" not in one.out
    gone = inprocess.run("workflow=pack.zip/in/three.json")
    assert gone.code == 1, gone
    assert "three.json" in gone.out + gone.err


@pytest.mark.parametrize("name", [PAGE, "mine.json"])
def test_a_workflow_in_the_place_of_a_task_is_told_how_to_be_named(
    inprocess: InProcess, name: str
) -> None:
    inprocess.workflow("w.json", ("vae", "x.safetensors"))
    (inprocess.root / "mine.json").write_text("{}")
    done = inprocess.run(name)
    assert done.code == 3, done
    assert f"workflow={name}" in done.err


def test_clean_takes_what_was_kept(inprocess: InProcess, hub: Hub) -> None:
    publish(hub, "deep/portrait.json", "rare_x4.pth")
    inprocess.run("scan", f"workflow={PAGE}")
    inprocess.workflow("other.json", ("vae", "x.safetensors"))
    assert kept(inprocess)
    inprocess.run("clean")
    assert kept(inprocess) == []


def test_the_file_stays_as_it_came(inprocess: InProcess, hub: Hub) -> None:
    data = b"\xef\xbb\xbf" + json.dumps(ui_workflow([("vae", "x.safetensors")])).encode()
    publish(hub, "deep/portrait.json", "", data=data)
    inprocess.run("scan", f"workflow={PAGE}")
    [file] = kept(inprocess)
    assert sha256(file.read_bytes()) == sha256(data)
