"""Which tasks a command line selects, and with which exit code it ends."""

from __future__ import annotations

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import fixed
from comfyfix.why import Why
from tests.rig import Site

RIFE = ("upscale_models", "rife49.pth")
VAE = ("vae", "soft_vae.safetensors")
LORA = ("loras", "nowhere.safetensors")


@pytest.fixture
def three(site: Site, hub: Hub) -> Site:
    """Two models that are to be had, and one that no one has."""
    site.workflow("good.json", RIFE, VAE)
    site.workflow("bad.json", RIFE, LORA)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("a/soft-vae", ["soft_vae.safetensors"])
    return site


@pytest.mark.parametrize(
    "asked",
    [
        ("workflow:bad",),
        ("-s", "download"),
        *(
            pytest.param(asked, marks=pytest.mark.soak)
            for asked in (
                ("workflow",),
                ("download",),
                ("download:*",),
                ("workflow:good", "workflow:bad"),
                ("-n", "0", "workflow:bad"),
            )
        ),
    ],
    ids=" ".join,
)
def test_one_model_that_is_not_found_is_exit_code_1(three: Site, asked: tuple[str, ...]) -> None:
    done = three.doit(*asked)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "workflow:" not in done.stdout.partition(fixed("SUMMARY"))[2]
    assert "\\n" not in done.stdout
    assert "loras/nowhere.safetensors" in done.stdout
    assert "upscale_models/rife49.pth" in three.files()


def test_what_has_all_its_models_is_exit_code_0(three: Site) -> None:
    assert three.doit("workflow:good").returncode == 0
    assert three.doit("-s", "workflow:good").returncode == 0


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("download:nowherr*", "download:nowhere"),
        ("download:zzz*", words.sentence(because(Why.NONE_IS_LIKE_IT))),
        ("rife*", "download:rife49"),
        ("rife49", "download:rife49"),
        ("download:rife48", "download:rife49"),
        ("workflow:godo", "workflow:good"),
        ("*nowhere.pth*", "download:nowhere"),
    ],
)
def test_what_fits_no_task_is_refused_with_the_nearest(three: Site, asked: str, near: str) -> None:
    done = three.doit(asked)
    assert done.returncode == 3, done.stdout
    told = because(Why.TASK_UNKNOWN, name=asked, near=near)
    assert done.stderr.startswith(f"ERROR: {words.worded(told).what.partition(')')[0]}")
    assert done.stdout == ""
    assert three.files() == {}


def test_single_refuses_it_too(three: Site) -> None:
    done = three.doit("-s", "rife*")
    assert done.returncode == 3
    assert "download:rife49" in done.stderr
    assert three.files() == {}


def test_single_needs_names(three: Site) -> None:
    done = three.doit("-s")
    assert done.returncode == 3
    assert words.sentence(because(Why.SINGLE_NEEDS_NAMES)) in done.stderr
    assert three.files() == {}


def test_single_runs_the_named_tasks_and_nothing_else(three: Site) -> None:
    done = three.doit("-s", "download:rife49", "download:soft_vae")
    assert done.returncode == 0, done.stdout
    assert set(three.files()) == {"upscale_models/rife49.pth", "vae/soft_vae.safetensors"}
    assert fixed("Verifying batch") not in done.stdout


def test_single_runs_the_members_of_a_group(three: Site) -> None:
    done = three.doit("-s", "workflow:good")
    assert done.returncode == 0, done.stdout
    assert set(three.files()) == {"upscale_models/rife49.pth", "vae/soft_vae.safetensors"}


def test_single_leaves_dependencies_out(three: Site) -> None:
    done = three.doit("-s", "verify:001")
    assert done.returncode == 1, done.stdout
    assert three.files() == {}
    assert fixed("Executing download") not in done.stdout
