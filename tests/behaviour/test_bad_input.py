"""Bad input: one clear message with the next step each; what can go on goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import t
from tests.rig import Site

RIFE = ("upscale_models", "rife49.pth")


def one_error(site: Site, *arguments: str, **extra: str) -> str:
    """Run doit, which must end with 3 and one line, without a traceback."""
    done = site.doit(*arguments, **extra)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert t("Next:") in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", [(), ("list",), ("scan",), ("verify",)])
def test_no_comfyui_there(site: Site, command: tuple[str, ...]) -> None:
    shutil.rmtree(site.comfyui)
    assert "There is no ComfyUI in" in one_error(site, *command)


def test_no_workflows(site: Site) -> None:
    assert "There are no workflows" in one_error(site)


def test_no_manifest(site: Site) -> None:
    (site.root / "manifest.yaml").unlink()
    assert "manifest.yaml does not exist" in one_error(site)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("comfyui: ComfyUI\nsearch:\n  parralel: 3\n", "line 3, key search.parralel: this key"),
        ("comfyui: ComfyUI\nbatch: six\n", "line 2, key batch: Expected int, got str"),
        ("comfyui: [ComfyUI\n", "line 2"),
        ("comfyui: &a ComfyUI\n", "anchors and aliases are not allowed"),
        ("comfyui: ${NOT_SET}\n", "${NOT_SET} is not set"),
    ],
)
def test_broken_manifest_names_line_and_key(site: Site, text: str, said: str) -> None:
    (site.root / "manifest.yaml").write_text(text)
    assert said in one_error(site, "list")


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
    assert done.stdout.count("broken.json can't be read: broken JSON at line 1") == 1
    assert "index.json" not in done.stdout
    assert "upscale_models/rife49.pth" in site.files()


def test_a_refused_name_is_a_task_that_fails_with_the_reason(site: Site, hub: Hub) -> None:
    site.workflow("evil.json", ("loras", "../../../evil.safetensors"), RIFE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = site.doit()
    assert done.returncode == 1
    assert "The name ../../../evil.safetensors is refused (evil.json, node 1" in done.stdout
    assert set(site.files()) == {"upscale_models/rife49.pth"}
    assert not list(site.root.parent.rglob("evil.safetensors"))


def test_an_unknown_folder_is_said_and_never_guessed(site: Site) -> None:
    path = site.workflow("odd.json", RIFE)
    path.write_text(path.read_text().replace("UpscaleModelLoader", "NobodyKnowsThisLoader"))
    done = site.doit()
    assert done.returncode == 1
    assert "No one tells in which model folder rife49.pth belongs" in done.stdout
    assert "NobodyKnowsThisLoader" in done.stdout


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
    assert "curl is not installed" in done.stdout
    assert t("Next:") in done.stdout


def test_no_network_is_not_called_not_found(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    site.manifest(endpoints={"huggingface": "http://127.0.0.1:9"})
    done = site.doit()
    assert done.returncode == 1
    assert "127.0.0.1:9 could not be asked: no connection" in done.stdout
    assert "No source has" not in done.stdout


def test_a_folder_that_cannot_be_made(site: Site, hub: Hub) -> None:
    """As in a read-only store; root ignores permission bits, so a file stands in the way."""
    site.workflow("clip.json", RIFE, ("vae", "river_stone.safetensors"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/river_stone", ["river_stone.safetensors"])
    (site.models / "upscale_models").write_text("in the way")
    done = site.doit()
    assert done.returncode == 1
    assert "Can't make the folder" in done.stdout
    assert t("Next:") in done.stdout
    assert "vae/river_stone.safetensors" in site.files()


def test_output_that_cannot_be_written(site: Site) -> None:
    site.workflow("clip.json", RIFE)
    site.output.write_text("a file in the place of the folder")
    assert "can't be read or written" in one_error(site, "list")
