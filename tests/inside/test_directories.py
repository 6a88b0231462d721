"""Models that are directories: needed like files, named like files, and left where they are."""

from __future__ import annotations

import json

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import t
from tests.rig import Site

NAMES = ("diffusers/sdxl-base", "LLM/Florence-2-large")


@pytest.fixture
def needy(site: Site, hub: Hub) -> Site:
    """A workflow with two directories and a file."""
    nodes = {
        "1": {"class_type": "DiffusersLoader", "inputs": {"model_path": "sdxl-base"}},
        "2": {"class_type": "Florence2ModelLoader", "inputs": {"model": "Florence-2-large"}},
        "3": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "rife49.pth"}},
    }
    site.workflows.joinpath("w.json").write_text(json.dumps(nodes))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    return site


def put(site: Site, *names: str) -> None:
    for name in names:
        folder = site.models / name
        folder.mkdir(parents=True)
        folder.joinpath("model_index.json").write_text("{}")


@pytest.mark.parametrize("command", ["list", "scan", "plan", "verify", "run"])
def test_an_absent_directory_is_named_wherever_models_are(needy: Site, command: str) -> None:
    done = needy.doit(command)
    for name in NAMES:
        shown = name.rpartition("/")[2] if command == "list" else name
        assert shown in done.stdout, command
    assert done.returncode == (0 if command in ("list", "scan") else 1)


def test_a_run_does_the_rest_and_tells_what_is_missing(needy: Site) -> None:
    done = needy.doit()
    assert done.returncode == 1
    for name in NAMES:
        assert name.rpartition("/")[2] in done.stdout
    assert t("Nothing to do") not in done.stdout
    assert set(needy.files()) == {"upscale_models/rife49.pth"}
    assert t("ready") not in needy.doit("scan").stdout.partition("\n")[0]
    assert needy.doit("workflow:w").returncode == 1
    assert needy.doit().returncode == 1


def test_a_directory_that_is_there_is_no_work(needy: Site) -> None:
    put(needy, *NAMES)
    assert needy.doit().returncode == 0
    assert needy.doit("verify").returncode == 0
    assert f"w.json: {t('ready')}" in needy.doit("scan").stdout
    assert t("Nothing is pending") in needy.doit("list").stdout


def test_ignored_and_inactive_directories_are_no_need(needy: Site) -> None:
    needy.manifest(ignore=["sdxl-base", "Florence-2-*"])
    done = needy.doit()
    assert done.returncode == 0, done.stdout
