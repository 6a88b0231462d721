"""What a name that a user types may mean: one model, several, a workflow's, or none."""

from __future__ import annotations

import pytest

from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.tasks.declare.creators import tasks as tasks_of
from comfyfix.tasks.face.marks import MARK
from comfyfix.tasks.run import names
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why
from tests.inprocess import InProcess

RIFE = ("upscale_models", "rife49.pth")
ONE, OTHER = ("loras", "x.pt"), ("vae", "x.pt")
THERE = ("loras", "sub/there.pt")


class Task:
    """A task as doit would make it, as far as names go."""

    def __init__(self, name: str, run: Run) -> None:
        self.name, self.meta = name, {MARK: run}


@pytest.fixture
def site(inprocess: InProcess) -> InProcess:
    inprocess.workflow("w.json", RIFE, ONE, THERE)
    inprocess.workflow("other.json", OTHER)
    inprocess.put(*THERE)
    return inprocess


def runs(site: InProcess) -> tuple[Run, Run]:
    """The same project twice, one of them as one of several in a dodo."""
    return Run(site.project(), site.project), Run(site.project(), site.project, prefix="b")


def keys(found: list[names.Named]) -> list[str]:
    return [each.item.model.key for each in found]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("rife49.pth", ["upscale_models/rife49.pth"]),
        ("upscale_models/rife49.pth", ["upscale_models/rife49.pth"]),
        ("download:rife49", ["upscale_models/rife49.pth"]),
        ("rife49", ["upscale_models/rife49.pth"]),
        ("x.pt", ["vae/x.pt", "loras/x.pt"]), ("loras/x.pt", ["loras/x.pt"]),
        ("there.pt", ["loras/sub/there.pt"]), ("loras/sub/there.pt", ["loras/sub/there.pt"]),
    ],
)  # fmt: skip
def test_a_name_means_each_model_that_it_fits(site: InProcess, name: str, meant: list[str]) -> None:
    run, _ = runs(site)
    assert sorted(keys(names.models_named([run], name))) == sorted(meant)
    if len(meant) == 1:
        found = names.model_named([run], name)
        assert (found.run, found.item.model.key) == (run, meant[0])


def test_one_name_of_several_models_is_refused_with_the_whole_names(site: InProcess) -> None:
    run, other = runs(site)
    with pytest.raises(SetupProblem) as caught:
        names.model_named([run], "x.pt")
    told = caught.value.reason.told["models"]
    assert isinstance(told, tuple)
    assert set(told) == {"loras/x.pt", "vae/x.pt"}
    assert caught.value.reason.told["first"] == told[0]
    with pytest.raises(SetupProblem) as caught:
        names.model_named([run, other], "rife49.pth")
    assert caught.value.reason == because(
        Why.MODELS_OF_ONE_NAME, name="rife49.pth", first="upscale_models/rife49.pth",
        models=["upscale_models/rife49.pth", "b:download:rife49"],
    )  # fmt: skip
    with pytest.raises(SetupProblem) as caught:
        names.model_named([run, other], "there.pt")
    assert caught.value.reason.told["models"] == ("loras/sub/there.pt",) * 2


def test_a_name_that_fits_none_is_told_with_the_nearest(site: InProcess) -> None:
    run, _ = runs(site)
    for name, near in (("loras/rif49.pth", ["rife49.pth"]), ("qqqqqq", [])):
        with pytest.raises(SetupProblem) as caught:
            names.models_named([run], name)
        cause = because(Why.NEAREST_NAMES, names=near) if near else ""
        assert caught.value.reason == because(Why.MODEL_NOT_NEEDED, name=name, cause=cause)


def test_the_names_that_people_use(site: InProcess) -> None:
    run, other = runs(site)
    assert names.all_names([run]) == [
        "rife49.pth", "there.pt", "x.pt", *sorted(["workflow:other", "workflow:w"]),
    ]  # fmt: skip
    assert names.all_names([other])[-1].startswith("b:workflow:")


def test_a_workflows_name_means_all_that_it_needs(site: InProcess) -> None:
    run, other = runs(site)
    found = names.keys_by_run([run, other], ["workflow:w", "vae/x.pt"])
    assert sorted(found[run]) == sorted(
        ["upscale_models/rife49.pth", "loras/x.pt", "loras/sub/there.pt", "vae/x.pt"]
    )
    assert found[other] == ["vae/x.pt"]
    assert names.keys_by_run([run, other], ["b:workflow:other"]) == {other: ["vae/x.pt"]}
    with pytest.raises(SetupProblem):
        names.keys_by_run([run], ["workflow:none"])


def test_a_file_name_stands_for_its_task(site: InProcess) -> None:
    run, _ = runs(site)
    made = [f"{task['basename']}:{task['name']}" for task in tasks_of(run) if task.get("name")]
    tasks = {name: Task(name, run) for name in made}
    assert {"download:rife49", "verify:001", "verify:present", "workflow:w"} <= tasks.keys()
    assert names.tasks_meant(tasks, ["rife49.pth", "there.pt", "verify:001", "no such"]) == [
        "download:rife49", "verify:present", "verify:001", "no such",
    ]  # fmt: skip
    assert names.tasks_meant(tasks, ["download:rife49", "rife49.pth"]) == ["download:rife49"]
