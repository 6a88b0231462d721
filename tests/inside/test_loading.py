"""Loading writes caches only; a run reserves numbers, and takes those that hold."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen import notes
from comfyfix.settings import MANIFEST
from comfyfix.tasks.run import running
from comfyfix.tasks.run.selection import Control
from tests.inprocess import InProcess
from tests.rig import Site

LORAS = [("loras", f"{name}.safetensors") for name in ("ant", "bee", "cat")]
LOOKING = [
    ("list",),
    ("list", "-q"),
    ("list", "--all", "--status"),
    ("info", "download:ant"),
    ("scan",),
    ("why", "ant.safetensors"),
    ("help",),
    ("help", "download"),
    ("tabcompletion",),
]


def left(site: Site) -> list[str]:
    """What lies in output/ but the caches."""
    paths = (path.relative_to(site.output) for path in site.output.rglob("*"))
    return sorted(str(path) for path in paths if path.parts[0] != ".cache")


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_who_looks_writes_caches_only(
    inprocess: InProcess, hub: Hub, command: tuple[str, ...]
) -> None:
    inprocess.workflow("w.json", *LORAS)
    before = sorted(inprocess.root.rglob("*"))
    inprocess.run(*command)
    logs = {"log", "log/search_history.log"} if command[0] == "why" else set()
    assert set(left(inprocess)) == logs
    beside = {path for path in inprocess.root.rglob("*") if inprocess.output not in path.parents}
    assert beside - {inprocess.output} == set(before)


def test_the_demo_is_laid_out_by_a_run(inprocess: InProcess) -> None:
    (inprocess.root / MANIFEST).write_text("comfyui: demo\n")
    listed = inprocess.run("list", "-q").out.split()
    assert len(listed) == 21
    made = (path for path in inprocess.output.rglob("*") if ".cache" not in path.parts)
    assert list(made) == [inprocess.output / "demo"]
    assert inprocess.run().code == 0
    assert (inprocess.output / "demo" / "ComfyUI" / "models").is_dir()
    assert inprocess.run("list", "-q").out == ""


@pytest.mark.parametrize("lost", ["user", "models", "custom_nodes", "user/default/workflows", ""])
def test_what_was_deleted_of_the_demo_is_laid_out_anew(inprocess: InProcess, lost: str) -> None:
    (inprocess.root / MANIFEST).write_text("comfyui: demo\n")
    home = inprocess.output / "demo" / "ComfyUI"
    assert inprocess.run("download:rife49").code == 0
    mine = home / "models" / "loras" / "mine.safetensors"
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    shutil.rmtree(home / lost)
    if not lost:
        home.mkdir()
    assert inprocess.run("list", "-q").code == 0
    assert inprocess.run("download:4x_demo_sharp").code == 0
    assert (home / "user" / "default" / "workflows" / "portrait.json").is_file()
    assert mine.exists() is (lost not in ("", "models")), "what is the user's own stays"


def test_all_of_the_demo_lies_apart_and_its_first_line_tells_what_it_is(
    inprocess: InProcess, hub: Hub
) -> None:
    manifest = (inprocess.root / MANIFEST).read_text()
    (inprocess.root / MANIFEST).write_text("comfyui: demo\n")
    inprocess.run(
        "pin", "rife49.pth", "https://huggingface.co/AlexWortega/RIFE/blob/main/rife49.pth"
    )
    done = inprocess.run("download:rife49")
    assert done.code == 0, done.out
    assert done.out.splitlines()[0] == notes.demo()
    assert notes.demo() in inprocess.run("plan", "rife49.pth").err
    assert inprocess.run("lock").code == 0
    assert [path.name for path in inprocess.output.iterdir()] == ["demo"]
    there = {path.name for path in (inprocess.output / "demo").iterdir()}
    assert there > {"ComfyUI", "engine", "ledger.json", "log", "manifest.lock.yaml", "pins.yaml"}
    # Of a real tree nothing is known yet.
    (inprocess.root / MANIFEST).write_text(manifest)
    inprocess.workflow("w.json", LORAS[2])
    hub.add("maker/cat", ["cat.safetensors"])
    done = inprocess.run()
    assert done.code == 0, done.out
    assert notes.demo() not in done.out + done.err
    assert (inprocess.output / "download_001_cat_safetensors.sh").is_file()


def test_a_store_to_be_made_is_made_by_a_run(
    inprocess: InProcess, hub: Hub, tmp_path: Path
) -> None:
    store = tmp_path / "new" / "store"
    inprocess.manifest(store=str(store), create_store=True)
    inprocess.workflow("w.json", LORAS[0])
    hub.add("maker/ant", ["ant.safetensors"])
    assert inprocess.run("list", "-q").out == "download:ant\n"
    assert not store.exists()
    assert inprocess.run("plan").code == 0
    assert inprocess.run().code == 0
    assert (store / "loras" / "ant.safetensors").is_file()


def test_numbers_are_in_parentheses_until_a_run_has_reserved_them(
    inprocess: InProcess, hub: Hub
) -> None:
    inprocess.workflow("w.json", LORAS[1])
    assert "(001)" in inprocess.run("list").out
    inprocess.run()
    shown = inprocess.run("list").out
    assert "001 " in shown
    assert "(" not in shown
    inprocess.workflow("v.json", LORAS[0])
    assert "(002)  download:ant" in inprocess.run("list").out


def test_a_run_that_was_overtaken_takes_the_numbers_that_hold(
    inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, name in LORAS:
        hub.add(f"maker/{name[:3]}", [name])
    inprocess.workflow("w.json", LORAS[1], LORAS[2])
    other = inprocess.workflow("../../other.json", LORAS[0])
    real = running.Run.reserve
    done: list[int] = []

    def overtaken(run: running.Run) -> bool:
        if not done:  # between the load and the reservation of the run that is tested
            done.append(Site.doit(inprocess, "download:ant", f"workflow={other}").returncode)
        return real(run)

    monkeypatch.setattr(running.Run, "reserve", overtaken)
    ended = inprocess.run()
    assert (ended.code, done) == (0, [0]), ended.out
    # The other one has taken all three, of which it knew: in the order of their keys.
    scripts = sorted(path.name for path in inprocess.output.glob("download_*.sh"))
    assert scripts == [
        "download_001_ant_safetensors.sh",
        "download_002_bee_safetensors.sh",
        "download_003_cat_safetensors.sh",
    ]
    for folder, name in LORAS[1:]:
        entry = inprocess.state("ledger.json")["models"][f"{folder}/{name}"]
        assert entry["number"] == LORAS.index((folder, name)) + 1
    assert inprocess.run().code == 0, "and the next run has nothing to do"


def test_a_read_only_output_is_no_matter_for_who_looks(
    inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    inprocess.workflow("w.json", *LORAS)
    inprocess.manifest(output="/proc/comfyfix")  # where nobody makes a folder
    done = inprocess.run("list", "-q")
    assert (done.code, done.err) == (0, "")
    assert len(done.out.split()) == 3
    refused = inprocess.run()
    assert refused.code == 3
    assert "/proc/comfyfix" in refused.err


def test_a_run_makes_the_tasks_that_have_work_and_any_that_is_named(
    inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    lights = [f"harbour_light_{name}" for name in ("ant", "bee", "cat")]
    loras = [("loras", f"{name}.safetensors") for name in lights]
    hub.add("harbour/harbour_light", [name for _, name in loras])
    inprocess.manifest(batch=2)
    inprocess.workflow("w.json", *loras)
    assert inprocess.run().code == 0
    made: list[str] = []
    whole = Control.__init__

    def noted(self: Control, tasks: Sequence[Any], *more: Any, **named: Any) -> None:
        made[:] = [task.name for task in tasks if ":" in task.name]
        whole(self, tasks, *more, **named)

    monkeypatch.setattr(Control, "__init__", noted)
    (inprocess.models / "loras" / f"{lights[2]}.safetensors").unlink()
    done = inprocess.run()
    assert (done.code, sorted(made)) == (0, [f"download:{lights[2]}", "verify:002"])
    (inprocess.models / "loras" / f"{lights[1]}.safetensors").unlink()
    assert inprocess.run().code == 0
    assert sorted(made) == [*(f"download:{name}" for name in lights[:2]), "verify:001"]
    inprocess.workflow("w.json", *loras, ("loras", f"./{lights[0]}.safetensors"))
    inprocess.run()
    assert made == []
    for asked in ([f"download:{lights[0]}"], ["-a"], ["workflow:w"]):
        assert inprocess.run(*asked).code in (0, 1)
        assert len(made) == 6, asked
