"""Several runs of doit, each of a checkout of its own, on one store: with locks and without."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.screen.words import t
from tests.faults.rig import side_by_side
from tests.faults.test_writers import LOCKS, Watch
from tests.rig import Site

pytestmark = pytest.mark.faults
RUNS = 8
SMALL = [f"style{number}.safetensors" for number in range(5)]
LARGE = "night_train.safetensors"
DATA = {name: file_for(name, size=200_000) for name in SMALL} | {
    LARGE: file_for(LARGE, size=3_000_000)
}
STAYING = 2  # files of a folder that are watched: the looks of more would cost the runs too much


@pytest.fixture
def checkouts(tmp_path: Path, hub: Hub) -> list[Site]:
    """Each with an output folder of its own; the ComfyUI is that of the first."""
    made: list[Site] = []
    for number in range(RUNS):
        root = tmp_path / f"checkout{number}"
        root.mkdir()
        site = Site(root, hub)
        if made:
            shutil.rmtree(site.comfyui)
        made.append(site)
        site.manifest(comfyui=str(made[0].comfyui), download={"parallel": 3})
    for name, data in DATA.items():
        hub.add(f"someone/{name.partition('.')[0]}", []).files[name] = data
    made[0].workflow("w.json", *[("loras", name) for name in DATA])
    hub.delays["file"] = 0.2  # long enough for the others to come while one fetches
    hub.rate = 2e6
    return made


def run_all(checkouts: list[Site], **extra: str) -> list[subprocess.CompletedProcess[str]]:
    """Run doit in each of them at once; what was there for a moment must stay, and be whole."""
    folder = checkouts[0].models / "loras"
    with contextlib.ExitStack() as watching:
        watches = {
            name: watching.enter_context(Watch(folder / name, len(DATA[name])))
            for name in (LARGE, *SMALL[: STAYING - 1])
        }
        done = side_by_side(lambda site: site.doit(**extra), checkouts, width=RUNS)
    for name, watch in watches.items():
        assert (watch.vanished, watch.wrong) == (0, 0), name
    return done


def require_all_right(checkouts: list[Site], done: list[subprocess.CompletedProcess[str]]) -> None:
    """Every run has ended well, every file is right, and nothing else lies in the store."""
    for each in done:
        assert each.returncode == 0, each.stdout + each.stderr
        assert "Traceback" not in each.stdout + each.stderr
    first = checkouts[0]
    assert first.files() == {f"loras/{name}": sha256(data) for name, data in DATA.items()}
    assert sorted(path.name for path in (first.models / "loras").iterdir()) == sorted(DATA)
    for site in checkouts:
        again = site.doit()
        assert t("Nothing to do") in again.stdout, again.stdout


def test_eight_runs_fetch_each_file_once(checkouts: list[Site], hub: Hub) -> None:
    done = run_all(checkouts)
    require_all_right(checkouts, done)
    for name in DATA:
        whole = [seen for seen in hub.seen if seen.path.startswith("/cdn/") and name in seen.path]
        assert len(whole) == 1, (name, [seen.status for seen in whole])


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.startswith("ln ")])
def test_eight_runs_without_locks_do_no_harm(
    checkouts: list[Site], hub: Hub, tmp_path: Path, lock: str
) -> None:
    program, lines = LOCKS[lock]
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / program
    fake.write_text(f'#!/bin/bash\n{lines}\nexec {shutil.which(program) or "false"} "$@"\n')
    fake.chmod(0o755)
    done = run_all(checkouts, PATH=f"{tools}:{os.environ['PATH']}")
    assert hub.count("GET", "/cdn/*") > len(DATA)  # so the locks were none
    require_all_right(checkouts, done)
