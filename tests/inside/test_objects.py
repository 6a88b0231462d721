"""`--json`: of every command one object with a version is on stdout, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.tasks.face.command_names import COMMANDS
from comfyfix.why import Why
from tests.inprocess import InProcess

RIFE = ("upscale_models", "rife49.pth")
NAMED: dict[str, tuple[str, ...]] = {
    "why": ("rife49.pth",),
    "script": ("rife49.pth",),
    "choose": ("rife49.pth",),
    "pin": ("rife49.pth", "https://huggingface.co/AlexWortega/RIFE/resolve/main/rife49.pth"),
    "unpin": ("rife49.pth",),
    "info": ("download:rife49",),
    "ignore": ("download:rife49",),
    "strace": ("download:rife49",),
}


def told(inprocess: InProcess, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the object of a command."""
    done = inprocess.run(*words)
    value = json.loads(done.out)
    assert isinstance(value, dict), done
    assert value["version"] == 1
    return done.code, value


@pytest.fixture
def lacking(inprocess: InProcess, hub: Hub) -> InProcess:
    """A project that lacks one model, which can be had, and has one that is there."""
    inprocess.workflow("clip.json", RIFE, ("vae", "there.pth"))
    inprocess.put("vae", "there.pth")
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    return inprocess


# The dashboard tells its address in one, and then serves until it is stopped: see its own tests.
@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"dashboard"}))
def test_every_command_answers_with_one_object(lacking: InProcess, command: str) -> None:
    told(lacking, command, *NAMED.get(command, ()), "--json")
    code, error = told(lacking, command, "--json", "--such-an-option-is-there-not")
    assert (code, bool(error["error"]["message"])) == (3, True)


@pytest.mark.parametrize("command", ["run", "list", "scan", "plan", "verify", "why", "clean"])
def test_a_mistake_in_the_manifest_is_an_object_too(lacking: InProcess, command: str) -> None:
    (lacking.root / "manifest.yaml").write_text("comfyui: nowhere\n")
    code, error = told(lacking, command, "--json", *NAMED.get(command, ()))
    assert (code, "nowhere" in error["error"]["message"]) == (3, True)
    assert error["error"]["why"] == Why.COMFYUI_ABSENT
    assert error["error"]["next"]


def test_what_is_missing_is_told_and_checked(lacking: InProcess) -> None:
    code, value = told(lacking, "list", "--json")
    assert code == 0
    [row] = value["pending"]
    assert (row["task"], row["model"]) == ("download:rife49", "upscale_models/rife49.pth")
    assert (row["why"], row["workflows"]) == ("absent", ["clip.json"])
    assert "download" in "".join(told(lacking, "list", "--all", "--json")[1]["lines"])
    for command in (("list",), ("scan",), ("list", "--json"), ("scan", "--json"), ("list", "-q")):
        assert lacking.run(*command).code == 0, command
        assert lacking.run(*command, "--check").code == 1, command
    assert lacking.run().code == 0
    for name in ("list", "scan"):
        assert lacking.run(name, "--check").code == 0, name
    code, value = told(lacking, "verify", "--json")
    assert (code, value["good"], value["bad"]) == (0, 2, 0)
    assert {one["status"] for one in value["verdicts"]} <= {"ok", "unverified"}
    _, value = told(lacking, "why", "rife49.pth", "--json")
    [model] = value["models"]
    assert model["record"]["repo"] == "AlexWortega/RIFE"
    assert model["found"] is True


def test_what_comfyui_refuses_or_no_one_can_read_fails_a_check(lacking: InProcess) -> None:
    assert lacking.run().code == 0
    path = lacking.workflows / "other.json"
    path.write_text('{"1": {"class_type": "VAELoader", "inputs": {"vae_name": "./there.pth"}}}')
    assert [lacking.run(name, "--check").code for name in ("list", "scan")] == [1, 1]
    _, value = told(lacking, "list", "--json")
    [row] = value["refused"]
    assert (row["value"], row["instead"]) == ("./there.pth", "there.pth")
    path.write_text('{"nodes": [')
    assert [lacking.run(name, "--check").code for name in ("list", "scan")] == [1, 1]
    assert told(lacking, "list", "--json")[1]["unreadable"][0]["workflow"] == "other.json"
