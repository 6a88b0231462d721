"""Bad input: one clear message with the next step each; what can go on goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.records import Reason, because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site

RIFE = ("upscale_models", "rife49.pth")


def one_error(site: Site, *arguments: str, **extra: str) -> str:
    """Run doit, which must end with 3 and one line, without a traceback."""
    done = site.doit(*arguments, **extra)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert t("Next: {step}", step="") in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", [(), ("list",), ("scan",), ("verify",)])
def test_no_comfyui_there(site: Site, command: tuple[str, ...]) -> None:
    shutil.rmtree(site.comfyui)
    told = because(Why.COMFYUI_ABSENT, path=site.comfyui)
    assert words.sentence(told) in one_error(site, *command)


def test_no_workflows(site: Site) -> None:
    assert t("There are no workflows") in one_error(site)


def test_no_manifest(site: Site) -> None:
    (site.root / "manifest.yaml").unlink()
    told = because(Why.MANIFEST_ABSENT, path=site.root / "manifest.yaml")
    assert words.sentence(told) in one_error(site)


@pytest.mark.parametrize(
    ("text", "line", "key", "cause"),
    [
        (
            "comfyui: ComfyUI\nsearch:\n  parralel: 3\n",
            3,
            "search.parralel",
            because(Why.KEY_UNKNOWN),
        ),
        (
            "comfyui: ComfyUI\nbatch: six\n",
            2,
            "batch",
            because(Why.VALUE_UNFIT, told="Expected a whole number, got text"),
        ),
        ("comfyui: &a ComfyUI\n", 1, "", because(Why.ALIAS_REFUSED)),
        ("comfyui: ${NOT_SET}\n", 1, "comfyui", because(Why.VARIABLE_UNSET, name="NOT_SET")),
    ],
)
def test_broken_manifest_names_line_and_key(
    site: Site, text: str, line: int, key: str, cause: Reason
) -> None:
    path = site.root / "manifest.yaml"
    path.write_text(text)
    why = Why.MANIFEST_KEY if key else Why.MANIFEST_LINE
    told = because(why, path=path, line=line, key=key, cause=cause)
    assert words.sentence(told) in one_error(site, "list")


def test_a_task_that_does_not_exist(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    done = site.doit("download:nothing")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "download:nothing" in done.stderr


def test_a_broken_workflow_does_not_stop_the_others(site: Site, hub: Hub) -> None:
    site.workflow("clip.json", RIFE)
    (site.workflows / "broken.json").write_text('{"nodes": [')
    (site.workflows / "index.json").write_text('[{"title": "no workflow"}]')
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 1
    told = because(Why.JSON_BROKEN, line=1, column=12, error="Expecting value")
    lines = [line for line in done.stdout.splitlines() if words.sentence(told) in line]
    assert len(lines) == 2, "as it happens, and in the summary"
    assert all("broken.json" in line for line in lines)
    assert "index.json" not in done.stdout
    assert "upscale_models/rife49.pth" in site.files()


def test_a_refused_name_is_a_task_that_fails_with_the_reason(site: Site, hub: Hub) -> None:
    site.workflow("evil.json", ("loras", "../../../evil.safetensors"), RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 1
    name, node = "../../../evil.safetensors", "LoraLoaderModelOnly"
    told = because(
        Why.NAME_REFUSED_AT,
        name=name,
        workflow="evil.json",
        node="1",
        type=node,
        cause=because(Why.NAME_DOTS, name=name),
    )
    assert words.sentence(told) in done.stdout
    assert set(site.files()) == {"upscale_models/rife49.pth"}
    assert not list(site.root.parent.rglob("evil.safetensors"))


def test_an_unknown_folder_is_said_and_never_guessed(site: Site) -> None:
    path = site.workflow("odd.json", RIFE)
    path.write_text(path.read_text().replace("UpscaleModelLoader", "NobodyKnowsThisLoader"))
    done = site.doit()
    assert done.returncode == 1
    node = {"workflow": "odd.json", "type": "NobodyKnowsThisLoader"}
    told = because(Why.FOLDER_UNTOLD, path="rife49.pth", name="rife49.pth", **node)
    assert words.sentence(told) in done.stdout
    assert words.worded(told).next_step in done.stdout


def test_no_curl(site: Site, hub: Hub, tmp_path: Path) -> None:
    site.workflow("clip.json", RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "python3", "env"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    done = site.doit(PATH=str(tools))
    assert done.returncode == 1
    told = words.worded(because(Why.TOOL_ABSENT, name="curl"))
    assert told.what in done.stdout
    assert told.next_step in done.stdout


def test_no_network_is_not_called_not_found(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    site.manifest(endpoints={"huggingface": "http://127.0.0.1:9"})
    done = site.doit()
    assert done.returncode == 1
    host, cause = "127.0.0.1:9", because(Why.CONNECTION_REFUSED)
    told = because(Why.SERVICE_UNREACHABLE, host=host, cause=cause)
    assert words.sentence(told) in done.stdout
    assert t("No source has") not in done.stdout


def test_a_folder_that_cannot_be_made(site: Site, hub: Hub) -> None:
    """As in a read-only store; root ignores permission bits, so a file stands in the way."""
    site.workflow("clip.json", RIFE, ("vae", "river_stone.safetensors"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/river_stone", ["river_stone.safetensors"])
    (site.models / "upscale_models").write_text("in the way")
    done = site.doit()
    assert done.returncode == 1
    assert "Can't make the folder" in done.stdout
    assert "check its permissions" in done.stdout
    assert "vae/river_stone.safetensors" in site.files()


def test_output_that_cannot_be_written(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    site.output.write_text("a file in the place of the folder")
    assert t("can't be read or written") in one_error(site, "list")
