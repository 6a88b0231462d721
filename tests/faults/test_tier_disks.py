"""A fast tier on a disk of its own: full, read-only, gone, and runs that are killed half way."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.disk.files import sha256_of
from comfyfix.why import Why
from tests.faults.world import apart, small_disk
from tests.rig import Site, kill_hard

pytestmark = pytest.mark.faults
MB, FILES = 1_000_000, 5
KILLS = 10


def pipeline(site: Site, name: str, size: int) -> None:
    """A directory of the store, and a workflow that needs it."""
    place = site.models / "diffusers" / name
    for number in range(FILES):
        data = file_for("x.safetensors", seed=f"{name}{number}", size=size)
        site.put("diffusers", f"{name}/unet/{number}.safetensors", data)
    (place / "model_index.json").write_text("{}")
    node = {"class_type": "DiffusersLoader", "inputs": {"model_path": name}}
    (site.workflows / f"{name}.json").write_text(json.dumps({"1": node}))


def needing(site: Site, name: str, **told: Any) -> None:
    flow = str(site.workflows / f"{name}.json")
    site.manifest(workflows=[flow], tiers={"fast": "disk/fast", **told})


def on_disk(site: Site, work: Callable[[Path, Path], None], size: str = "20m") -> None:
    """Do something with a disk for the tier, and the tier on it, in a world of its own."""

    def inside() -> None:
        disk = site.root / "disk"
        small_disk(disk, size)
        (disk / "fast").mkdir()
        work(disk, disk / "fast")

    apart(inside, site.root / "world")


def tiers(site: Site) -> Any:
    done = site.doit("tiers", "--json")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 3), done.stderr
    return json.loads(done.stdout)


def visible(site: Site, fast: Path) -> dict[str, bool]:
    """The directories that ComfyUI sees in the tier, and whether each is that of the store."""
    return {
        place.name: _contents(place) == _contents(site.models / "diffusers" / place.name)
        for place in (fast / "diffusers").glob("*")
    }


def _contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def test_a_disk_that_is_full_takes_nothing_and_is_told(site: Site) -> None:
    pipeline(site, "large", 5 * MB)
    pipeline(site, "small", 2 * MB)

    def work(disk: Path, fast: Path) -> None:
        needing(site, "large")
        assert [each["why"] for each in tiers(site)["files"]] == [Why.TIER_FULL]
        needing(site, "small")
        assert [each["did"] for each in tiers(site)["files"]] == ["brought"]
        needing(site, "large")  # nothing leaves where that would not be enough
        assert [each["why"] for each in tiers(site)["files"]] == [Why.TIER_FULL]
        assert visible(site, fast) == {"small": True}
        assert list((fast / ".comfyfix/new").iterdir()) == []
        (disk / "others").write_bytes(bytes(9 * MB))  # not even notes fit any more
        needing(site, "small")
        assert [each["did"] for each in tiers(site)["files"]] == ["there"]

    on_disk(site, work)


def test_a_disk_that_is_read_only_or_away_is_told(site: Site) -> None:
    pipeline(site, "small", MB)
    needing(site, "small")

    def work(disk: Path, fast: Path) -> None:
        assert tiers(site)["files"][0]["did"] == "brought"
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert tiers(site)["error"]["why"] == Why.TIER_UNUSABLE
        assert visible(site, fast) == {"small": True}
        assert site.doit("verify").returncode == 0
        subprocess.run(["umount", str(disk)], check=True)
        assert tiers(site)["error"]["why"] == Why.TIER_UNUSABLE
        assert list(disk.iterdir()) == []  # nothing is written to the disk below
        for command in ("verify", "store", "list", "scan"):
            assert site.doit(command).returncode == 0
        assert list(disk.iterdir()) == []

    on_disk(site, work)


def test_killed_at_any_moment_no_half_is_seen_and_the_next_run_goes_on(site: Site) -> None:
    """Two directories take turns, so one leaves and one comes; only one fits."""
    chance = random.Random(KILLS)
    for name in ("one", "other"):
        pipeline(site, name, 6 * MB)

    def work(disk: Path, fast: Path) -> None:
        killed = 0
        for number in range(KILLS):
            needing(site, ("one", "other")[number % 2])
            running = site.start("tiers")
            _wait_until_begun(fast, running, chance.randrange(FILES * 6 * MB))
            killed += running.poll() is None
            kill_hard(running)
            assert all(visible(site, fast).values()), number
        assert killed
        needing(site, "one")
        assert [each["did"] for each in tiers(site)["files"]][-1] in ("brought", "there")
        assert visible(site, fast) == {"one": True}
        assert list((fast / ".comfyfix/new").iterdir()) == []
        assert len(list(site.models.rglob("*.safetensors"))) == 2 * FILES

    on_disk(site, work, "45m")


def _wait_until_begun(fast: Path, running: subprocess.Popen[str], size: int) -> None:
    """Wait until so many bytes are copied, or the run has ended."""
    while running.poll() is None:
        parts = (fast / ".comfyfix/new").rglob("*.safetensors")
        try:
            if sum(part.stat().st_size for part in parts) > size:
                return
        except OSError:  # it has its name by now
            return
        time.sleep(0.001)
