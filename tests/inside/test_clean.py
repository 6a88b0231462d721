"""`clean`: caches and what stopped downloads have left go; nothing that is of worth."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.disk.files import sha256_of
from comfyfix.disk.lease.leftovers import DAY
from comfyfix.disk.lease.owner import where
from comfyfix.screen.words import t
from tests.inprocess import InProcess

RIFE = ("upscale_models", "rife49.pth")
VAE = ("vae", "soft_vae.safetensors")
NOTHING = "Nothing to remove: no cache, and nothing that a stopped download has left."


@pytest.fixture
def half(inprocess: InProcess, hub: Hub) -> InProcess:
    """A project with one model that is there and one that is not."""
    inprocess.workflow("clip.json", RIFE, VAE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert inprocess.run().code == 1
    assert inprocess.run("list").code == 0
    return inprocess


def dead() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def left(site: InProcess, owner: str, size: int = 1000, *, age: float = 0) -> Path:
    """A part beside the absent model, by an owner."""
    path = site.models / VAE[0] / f"{VAE[1]}.0123abcd.{owner}.part"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def everything(site: InProcess) -> dict[str, str]:
    """All files but caches and logs."""
    found = (p for p in site.root.rglob("*") if p.is_file())
    return {
        str(p.relative_to(site.root)): sha256_of(p)
        for p in found
        if not {".cache", "log"} & set(p.parts) and not p.name.endswith((".lock", ".part"))
    }


def test_it_removes_caches_and_parts_and_says_how_many_bytes(half: InProcess) -> None:
    part, before = left(half, f"{where()}.{dead()}", 5000), everything(half)
    caches = [p for p in (half.output / ".cache").rglob("*") if p.suffix.startswith(".json")]
    caches = [p for p in caches if p.name != "doit.json"]
    assert caches
    count = t("Removed: {size:size} (files: {count}).", size=0, count=len(caches) + 1).partition(
        "("
    )[2]
    shown = half.run("clean", "--dry-run")
    assert count in shown.out
    line = t("{model}: {size:size} of a stopped download", model="/".join(VAE), size=5000)
    assert line in shown.out
    assert part.exists()
    assert all(path.exists() for path in caches)
    done = half.run("clean")
    assert (done.code, done.err) == (0, "")
    assert count in done.out
    assert line in done.out
    assert not part.exists()
    assert not any(path.exists() for path in caches)
    assert everything(half) == before
    assert half.run("list", "-q").out == "download:soft_vae\n"


def test_of_a_model_that_is_named_its_parts_alone(half: InProcess) -> None:
    part = left(half, f"{where()}.{dead()}")
    cache = half.output / ".cache" / "scan.json"
    assert t(NOTHING) in half.run("clean", "rife49.pth").out
    assert part.exists()
    told = {"size": 1000, "count": 1}
    shown, done = half.run("clean", "-n", "download:soft_vae"), half.run("clean", "soft_vae")
    assert t("Would be removed: {size:size} (files: {count}).", **told) in shown.out
    assert t("Removed: {size:size} (files: {count}).", **told) in done.out
    assert not part.exists()
    assert cache.exists()


def test_what_may_be_at_work_stays(half: InProcess) -> None:
    """A process that lives, another machine's of today; a name that is nearly one of ours."""
    stay = [left(half, f"{where()}.{os.getpid()}"), left(half, "elsewhere1.77")]
    mine = half.models / VAE[0] / f"{VAE[1]}.mine.part"
    mine.write_bytes(b"mine")
    gone = left(half, "elsewhere1.78", age=2 * DAY)
    assert half.run("clean", "vae/soft_vae.safetensors").code == 0
    assert [p.exists() for p in (*stay, mine, gone)] == [True, True, True, False]


def test_what_doit_remembers_stays_unless_it_is_to_be_forgotten(half: InProcess) -> None:
    half.run("ignore", "download:soft_vae")
    assert half.run("clean").code == 0
    assert "download:soft_vae" in half.state(".cache/doit.json")
    assert half.run("clean", "--forget").code == 0
    assert half.state(".cache/doit.json") == {}
