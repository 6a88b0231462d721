"""What keeps a project from being opened: refused before anything is read or written for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.setup import unusable
from comfyfix.state.layout import Layout
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.rig import Need

NEED = ("loras", "x.safetensors")


@pytest.fixture
def site(inprocess: InProcess) -> InProcess:
    inprocess.workflow("w.json", NEED)
    return inprocess


def refused(site: InProcess, workflow: str | None = None, **extra: str) -> Reason:
    with pytest.raises(SetupProblem) as caught:
        site.project(workflow, **extra)
    return caught.value.reason


def test_without_a_workflow_the_places_are_named(site: InProcess) -> None:
    (site.workflows / "w.json").unlink()
    assert refused(site) == because(Why.NO_WORKFLOWS, places=(str(site.workflows),))
    site.workflows.rmdir()
    assert refused(site) == because(Why.NO_WORKFLOWS, places=(str(site.comfyui),))


@pytest.mark.parametrize("folder", ["output", "input", "models", "custom_nodes", "."])
def test_the_state_lies_in_no_folder_of_comfyuis_own(site: InProcess, folder: str) -> None:
    place = os.path.normpath(site.comfyui / folder)
    site.manifest(output=f"{site.comfyui}/models/../{folder}")
    assert refused(site) == because(Why.OUTPUT_OF_COMFYUI, file="manifest.yaml", path=place)
    site.manifest(output=f"{place}/of_ours")
    assert site.project().layout.output == Path(place) / "of_ours"


@pytest.mark.parametrize("lay", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_an_output_that_is_no_folder_is_refused(
    site: InProcess, lay: Callable[[Path], object]
) -> None:
    lay(site.output)
    assert refused(site) == because(Why.OUTPUT_UNUSABLE, path=site.output, cause="Not a directory")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "full", "/there"), ("/there", "full")),
        (OSError(28, "full"), ("/out", "full")),
        (OSError("of no number"), ("/out", "of no number")),
    ],
)
def test_what_is_unusable_is_told_by_its_path_and_cause(
    error: OSError, told: Sequence[str]
) -> None:
    path, cause = told
    problem = unusable(error, Layout(Path("/out")))
    assert problem.reason == because(Why.OUTPUT_UNUSABLE, path=path, cause=cause)


def test_a_frozen_run_reads_no_workflow_that_is_named(site: InProcess) -> None:
    named = str(site.workflows / "w.json")
    (site.root / "manifest.lock.yaml").write_text("version: 1\nmodels: []\n")
    frozen = {"COMFYFIX_FROZEN": "1"}
    assert refused(site, named, **frozen) == because(Why.FROZEN_READS_NONE, path=named)
    assert site.project(**frozen).plan.models == ()


def test_the_demo_brings_no_workflow_of_another(site: InProcess) -> None:
    (site.root / "manifest.yaml").write_text("comfyui: demo\n")
    done = site.run("list", "workflow=https://host.example/w.json")
    assert done.code == 3
    assert "host.example" in done.err


@pytest.mark.parametrize(
    ("names", "tasks"),
    [
        (["a.json", "b.json"], ["a", "b"]),
        (["a.json", "x/a.json"], ["a", "x_a"]),
        (["x_a.json", "a.json", "x/a.json"], ["a", "x_a", "x_a-2"]),
    ],
)
def test_each_workflow_has_a_task_of_its_own(
    site: InProcess, names: Sequence[str], tasks: Sequence[str]
) -> None:
    (site.workflows / "w.json").unlink()
    needs: Need = NEED
    for name in names:
        site.workflow(name, needs)
    made = site.project().workflow_tasks()
    assert len(made) == len(names)
    assert sorted(made.values()) == sorted(tasks)
