"""What a dodo.py can do beside our commands: tasks of the user's own, and no commands of ours."""

from __future__ import annotations

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site


@pytest.fixture
def three(site: Site, hub: Hub) -> Site:
    """Two models that are to be had, and one that no one has."""
    needs = [("upscale_models", "rife49.pth"), ("vae", "soft_vae.safetensors")]
    site.workflow("all.json", *needs, ("loras", "nowhere.safetensors"))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("a/soft-vae", ["soft_vae.safetensors"])
    return site


def test_options_of_a_users_task_are_no_names(three: Site) -> None:
    dodo = three.root / "dodo.py"
    dodo.write_text(
        dodo.read_text()
        + """
def task_mine():
    return {
        "actions": ["echo %(what)s >got"],
        "params": [{"name": "what", "long": "what", "default": ""}],
    }

def task_after():
    return {"actions": ["echo never"], "task_dep": ["download:nowhere"]}
"""
    )
    assert three.doit("mine", "--what", "no*thing").returncode == 0
    assert (three.root / "got").read_text() == "no*thing\n"
    done = three.doit("after")
    assert done.returncode == 1
    told = t("not run, since {failed} failed", failed="download:nowhere")
    assert f"taskid:after\n{told}" in done.stdout


@pytest.mark.parametrize("from_elsewhere", [False, True])
def test_verify_is_refused_where_it_would_download(three: Site, from_elsewhere: bool) -> None:
    (three.root / "pyproject.toml").unlink()
    dodo = str(three.root / "dodo.py")
    if from_elsewhere:
        done = three.doit("-f", dodo, "-d", str(three.root), "verify")
    else:
        done = three.doit("verify")
    assert done.returncode == 3, done.stdout
    told = words.sentence(because(Why.COMMANDS_NOT_LOADED, command="verify", lines=()))
    assert told in done.stderr
    assert 'verify = "comfyfix.tasks.commands.verify:Verify"' in done.stderr
    assert "Traceback" not in done.stderr
    assert three.files() == {}
