"""comfyfix for programs: what `import comfyfix` offers, by what it does."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import comfyfix
from comfyfix.demo.hub import Hub
from comfyfix.disk.files import sha256_of
from tests.rig import REPO, Site

ANT, BEE = ("loras", "ant.safetensors"), ("vae", "bee.safetensors")


@pytest.fixture
def two(site: Site, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Two models that are to be had, and the environment of a site."""
    site.workflow("w.json", ANT, BEE)
    hub.add("maker/ant", [ANT[1]])
    hub.add("maker/bee", [BEE[1]])
    monkeypatch.chdir(site.root)
    for name, value in {**site.environment(), "HF_ENDPOINT": hub.url}.items():
        monkeypatch.setenv(name, value)
    return site


def everything(root: Path) -> dict[str, int]:
    """Every path of a folder, with the time of its last change."""
    return {str(path): path.lstat().st_mtime_ns for path in sorted(root.rglob("*"))}


def test_what_it_offers_is_there() -> None:
    assert {"open", "Project", "Problem", "Record", "Receipt", "Verdict"} <= set(comfyfix.__all__)
    for name in comfyfix.__all__:
        assert getattr(comfyfix, name).__doc__
    with pytest.raises(AttributeError):
        _ = comfyfix.nothing


def test_the_import_alone_brings_nothing_heavy() -> None:
    code = "import sys, comfyfix; print(sorted(set(sys.modules) & {'requests', 'doit', 'yaml'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def documented() -> str:
    """The example of docs/library.md."""
    found = re.search(
        r"^    import comfyfix\n(    .*\n|\n)+", (REPO / "docs" / "library.md").read_text(), re.M
    )
    assert found, "there is an example"
    return found[0].replace("\n    ", "\n").lstrip()


@pytest.mark.parametrize(
    "example",
    [documented(), (comfyfix.__doc__ or "").partition("\n\n")[2]],
    ids=["documentation", "docstring"],
)
def test_the_example_does_what_it_says(
    two: Site, capsys: pytest.CaptureFixture[str], example: str
) -> None:
    exec(compile(example, "example", "exec"), {})  # noqa: S102 - what a reader would do
    assert set(two.files()) == {"/".join(ANT), "/".join(BEE)}
    assert sha256_of(two.models / "vae" / BEE[1]) in capsys.readouterr().out


def test_without_an_output_nothing_is_written_but_the_model(two: Site) -> None:
    before = everything(two.root)
    project = comfyfix.open("manifest.yaml", output=None)
    assert [r.value for r in project.scan()] == [ANT[1], BEE[1]]
    plan = project.plan()
    assert [planned.model.path for planned in plan.missing] == [ANT[1], BEE[1]]
    record = project.find(plan.missing[0])
    assert [verdict.status for verdict in project.verify()] == ["missing", "missing"]
    assert everything(two.root) == before
    receipt = project.fetch(record)
    assert receipt.sha256 == sha256_of(two.models / "loras" / ANT[1])
    there = {str(path) for path in two.root.rglob("*") if path.is_file()}
    assert there - set(before) == {str(two.models / "loras" / ANT[1])}
    assert [planned.model.path for planned in project.plan().missing] == [BEE[1]]
    assert {verdict.status for verdict in project.verify()} == {"unverified", "missing"}


def test_a_comfyui_folder_and_workflows_are_enough(two: Site) -> None:
    mine = two.workflow("../../mine.json", BEE)
    before = everything(two.root)
    project = comfyfix.open(comfyui="ComfyUI", workflows=[mine])
    assert [r.value for r in project.scan()] == [BEE[1]]
    assert project.find(project.plan().missing[0]).repo == "maker/bee"
    assert everything(two.root) == before


def test_what_it_fetches_a_run_takes_for_its_own(two: Site, hub: Hub) -> None:
    project = comfyfix.open()
    for planned in project.plan().missing:
        project.fetch(project.find(planned))
    assert [verdict.status for verdict in project.verify()] == ["ok", "ok"]
    asked = len(hub.seen)
    assert two.doit("list", "-q").stdout == ""
    assert two.doit().returncode == 0
    assert len(hub.seen) == asked, "nothing is fetched or searched again"
    assert len(list(two.output.glob("download_*.sh"))) == 2


def test_two_threads_that_fetch_one_model_get_one_file(two: Site) -> None:
    project = comfyfix.open(output=None)
    record = project.find(project.plan().missing[0])
    got: list[comfyfix.Receipt] = []
    threads = [threading.Thread(target=lambda: got.append(project.fetch(record))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [receipt.sha256 for receipt in got] == [record.sha256] * 2
    assert [path.name for path in (two.models / "loras").iterdir()] == [ANT[1]]


def test_a_problem_says_what_a_command_prints(two: Site) -> None:
    two.workflow("x.json", ("loras", "nowhere.safetensors"))
    project = comfyfix.open()
    absent = next(p for p in project.plan().missing if p.model.name.startswith("nowhere"))
    with pytest.raises(comfyfix.Problem, match=r"nowhere\.safetensors"):
        project.find(absent)
    with pytest.raises(comfyfix.Problem, match=r"no-such\.yaml"):
        comfyfix.open("no-such.yaml")
    with pytest.raises(comfyfix.Problem):
        comfyfix.open("manifest.yaml", comfyui="ComfyUI")
