"""What is mistyped is told in one line, with the nearest that is there: never by a traceback."""

from __future__ import annotations

import json
import tomllib

import pytest

import comfyfix
from comfyfix.errors import SetupProblem
from comfyfix.screen import words
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.rig import REPO


@pytest.fixture
def project(inprocess: InProcess) -> InProcess:
    inprocess.workflow("clip.json", ("upscale_models", "rife49.pth"))
    return inprocess


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("lst", "(list)"),
        ("verfy", "(verify)"),
        ("download:rif49", "(download:rife49)"),
        ("rife49.pt", "(download:rife49)"),
        ("rfe49.safetensors", "(download:rife49)"),
        ("why rife", "rife49.pth"),
        ("verify rife48.pth", "rife49.pth"),
        ("plan workflow:clp", "workflow:clip"),
        ("info download:rif49", "(download:rife49)"),
        ("help downlod:rife49", "(download:rife49)"),
        ("help lst", "(list)"),
        ("list downlod", "(download)"),
        ("forget rife48", "(download:rife49)"),
        ("ignore rife48", "(download:rife49)"),
        ("clean rife48", "(download:rife49)"),
        ("plan --jsn", "--json"),
        ("plan rife49.pth --jsn", "--json"),
        ("--alway-execute", "--always-execute"),
        ("-n many", "--process"),
        ("-n -1", "-1"),
        ("-o", "-o"),
    ],
)
def test_the_nearest_is_told(project: InProcess, typed: str, near: str) -> None:
    done = project.run(*typed.split())
    assert done.code == 3, done
    assert done.out == ""
    assert near in done.err
    assert len(done.err.splitlines()) == 1
    assert project.files() == {}


@pytest.mark.parametrize(
    ("typed", "why", "told"),
    [
        ("dedupe x", Why.DEDUPE_TAKES_NONE, {"name": "x"}),
        ("doctor x", Why.DOCTOR_TAKES_NONE, {"name": "x"}),
        ("gc x", Why.GC_TAKES_NONE, {"name": "x"}),
        ("gc --restore x", Why.GC_NOT_IN_TRASH, {"name": "x"}),
        ("report x", Why.REPORT_TAKES_NONE, {"name": "x"}),
        ("store x", Why.STORE_TAKES_NONE, {"name": "x"}),
        ("relink --list CLIP", Why.RELINK_TAKES_NONE, {}),
        ("relink --undo CLIP", Why.RELINK_TAKES_NONE, {}),
        ("verify --store x", Why.STORE_TAKES_NO_MODEL, {"name": "x"}),
        ("lock rife49.pth", Why.LOCK_TAKES_NO_MODEL, {}),
        ("choose", Why.CHOOSE_NEEDS_MODEL, {}),
        ("choose x y", Why.CHOOSE_NEEDS_MODEL, {}),
        ("import", Why.IMPORT_NEEDS_FILE, {}),
        ("import x y", Why.IMPORT_NEEDS_FILE, {}),
        ("info rife49.pth y", Why.INFO_NEEDS_NAME, {}),
        ("unpin", Why.UNPIN_NEEDS_MODEL, {}),
        ("why", Why.WHY_NEEDS_MODEL, {}),
        ("init x y", Why.INIT_TAKES_ONE, {"name": "y"}),
        ("explain moonshine", Why.NOTHING_TO_EXPLAIN, {"word": "moonshine"}),
    ],
)
def test_names_too_many_or_too_few_are_told(
    project: InProcess, typed: str, why: Why, told: dict[str, str]
) -> None:
    clip = str(project.workflows / "clip.json")
    done = project.run(*typed.replace("CLIP", clip).split())
    assert (done.code, done.out) == (3, "")
    assert words.problem(SetupProblem(why, **told)) in done.err
    assert project.files() == {}


def test_a_manifest_above_is_told(project: InProcess) -> None:
    (project.root / "sub" / "deeper").mkdir(parents=True)
    root, project.root = project.root, project.root / "sub" / "deeper"
    for command in ((), ("list",), ("why", "rife49.pth"), ("verify", "--store")):
        done = project.run(*command)
        assert done.code == 3
        assert f"`cd {root}`" in done.err
        assert len(done.err.splitlines()) == 1


def test_options_may_stand_behind_names(project: InProcess) -> None:
    done = project.run("plan", "rife49.pth", "--json")
    assert done.out.startswith("{"), done


def test_what_all_commands_take_may_stand_before_them(project: InProcess) -> None:
    done = project.run("--offline", "--json", "scan")
    assert json.loads(done.out)["references"], done
    for words_typed in (("-v", "2", "scan"), ("run", "scan")):
        done = project.run(*words_typed, "--json")
        assert (done.code, json.loads(done.out)["error"]["why"]) == (3, Why.COMMAND_COMES_FIRST)


def test_help_may_be_asked_of_a_command(project: InProcess) -> None:
    asked, helped = project.run("why", "--help"), project.run("help", "why")
    assert asked.code == helped.code == 0
    assert asked.out.split() == helped.out.split() != []


def test_the_version_has_one_source(project: InProcess) -> None:
    assert project.run("--version").out == f"comfyfix {comfyfix.__version__}\n"
    declared = tomllib.loads((REPO / "pyproject.toml").read_text())
    assert "version" in declared["project"]["dynamic"]
    assert declared["tool"]["hatch"]["version"]["path"] == "comfyfix/version.py"
