"""kill -9 at any moment, on one filesystem after the other: nothing wrong, nothing lost or left."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from tests.behaviour.test_script import DATA, NAME
from tests.faults.world import apart, small_disk
from tests.rig import Site

REPO = "someone/night-train"
SENTINEL = f"{NAME}.mine.part"
OVERALL = 500  # kills on all of them together


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount {' '.join(arguments[:3])}: {done.stderr.strip()}")


def on_disk(place: Path) -> None:
    place.mkdir()


def on_tmpfs(place: Path) -> None:
    small_disk(place, "300m")


def on_ext4(place: Path) -> None:
    if not shutil.which("mkfs.ext4"):
        pytest.skip("the program mkfs.ext4 is not installed")
    image = place.with_suffix(".img")
    with image.open("wb") as out:
        out.truncate(300 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    place.mkdir()
    _mount("-o", "loop", str(image), str(place))


def on_overlay(place: Path) -> None:
    below = place.with_name("below")
    small_disk(below, "300m")
    for name in ("lower", "upper", "work"):
        (below / name).mkdir()
    place.mkdir()
    layers = f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work"
    _mount("-t", "overlay", "overlay", "-o", layers, str(place))


FILESYSTEMS: dict[str, Callable[[Path], None]] = {
    "disk": on_disk,
    "tmpfs": on_tmpfs,
    "ext4": on_ext4,
    "overlay": on_overlay,
}


def killed_again_and_again(root: Path, kills: int, chance: random.Random) -> None:
    """Kill runs of doit and scripts at random moments; then one run has to put all right."""
    with Hub() as hub:
        site = Site(root, hub)
        hub.add(REPO, []).files[NAME] = DATA
        hub.delays["file"] = 0.02
        site.workflow("w.json", ("loras", NAME))
        assert site.doit().returncode == 0
        script = next(site.output.glob("download_*.sh"))
        folder = site.models / "loras"
        final = folder / NAME
        (folder / SENTINEL).write_bytes(b"mine")
        for number in range(kills):
            if chance.random() < 0.7:
                final.unlink(missing_ok=True)
            by_hand = number % 4 != 0
            command = ["bash", str(script)] if by_hand else [sys.executable, "-m", "doit"]
            with subprocess.Popen(
                command,
                cwd=site.root,
                env=site.environment(HF_ENDPOINT=hub.url),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            ) as running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(chance.uniform(0.0, 0.2 if by_hand else 2.0))
                if chance.random() < 0.5:
                    running.kill()
                else:
                    subprocess.run(
                        ["kill", "-9", "--", f"-{running.pid}"], capture_output=True, check=False
                    )
            if final.exists():
                assert sha256_of(final) == sha256(DATA)
        for _ in range(2):  # the second has nothing to do
            done = site.doit()
            assert done.returncode == 0, done.stdout + done.stderr
        assert sha256_of(final) == sha256(DATA)
        assert (folder / SENTINEL).read_bytes() == b"mine"
        assert sorted(path.name for path in folder.iterdir()) == sorted([NAME, SENTINEL])
        assert not list(site.output.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        *(pytest.param(name, 24, marks=pytest.mark.faults) for name in ("disk", "tmpfs")),
        *(
            pytest.param(name, OVERALL // len(FILESYSTEMS), marks=pytest.mark.proof)
            for name in FILESYSTEMS
        ),
    ],
)
def test_killed_at_any_moment(name: str, kills: int, tmp_path: Path) -> None:
    def inside() -> None:
        place = tmp_path / "place"
        FILESYSTEMS[name](place)
        root = place / "site"
        root.mkdir()
        killed_again_and_again(root, kills, random.Random(kills))

    if name == "disk":
        inside()
    else:
        apart(inside, tmp_path / "world")
