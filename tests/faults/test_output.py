"""output/ on a disk that is full, has no inodes left, or can only be read."""

from __future__ import annotations

import contextlib
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.screen.commands.checking import counts
from comfyfix.screen.words import t
from tests.faults.world import apart, small_disk
from tests.rig import Site

pytestmark = pytest.mark.faults
NEEDS = [("upscale_models", "rife49.pth"), ("vae", "soft_vae.safetensors")]
HARMS = ["full", "no inodes", "read only"]


def spoil(output: Path, harm: str) -> None:
    """Make a small disk of output/ one that takes nothing."""
    if harm == "read only":
        subprocess.run(["mount", "-o", "remount,ro", str(output)], check=True)
    elif harm == "full":
        with (output / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"\0" * 4096):
                pass
    else:
        for number in range(10_000):
            try:
                (output / f"filler{number}").touch()
            except OSError:
                return


def on_a_spoilt_disk(tmp_path: Path, harm: str, work: Callable[[Site], None], *, ran: bool) -> None:
    """Give a function a site with one model there and one missing, after a run or before any."""

    def inside() -> None:
        with Hub() as hub:
            root = tmp_path / "site"
            root.mkdir()
            site = Site(root, hub)
            small_disk(site.output, "1m,nr_inodes=60")
            site.workflow("w.json", *NEEDS)
            hub.add("AlexWortega/RIFE", ["rife49.pth"])
            hub.add("someone/soft_vae", ["soft_vae.safetensors"])
            if ran:
                assert site.doit().returncode == 0
                (site.models / "/".join(NEEDS[1])).unlink()
            else:
                site.put(*NEEDS[0])
            spoil(site.output, harm)
            work(site)

    apart(inside, tmp_path / "world")


@pytest.mark.parametrize("ran", [True, False], ids=["after a run", "before any"])
@pytest.mark.parametrize("harm", HARMS)
def test_commands_that_look_answer(tmp_path: Path, harm: str, ran: bool) -> None:
    there = "ok" if ran else "unverified"  # a run leaves what its hash is held against

    def work(site: Site) -> None:
        for command, code, said in (
            (("list", "-q"), 0, "download:soft_vae"),
            (("scan",), 0, "soft_vae.safetensors"),
            (("verify",), 1, counts(Counter({there: 1, "missing": 1}))),
            (("verify", "--store"), 0, counts(Counter({there: 1}))),
        ):
            done = site.doit(*command)
            assert "Traceback" not in done.stdout + done.stderr
            assert said in done.stdout, done.stdout + done.stderr
            assert done.returncode == code, done.stdout + done.stderr

    on_a_spoilt_disk(tmp_path, harm, work, ran=ran)


@pytest.mark.parametrize("ran", [True, False], ids=["after a run", "before any"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_run_tells_it_in_words(tmp_path: Path, harm: str, ran: bool) -> None:
    def work(site: Site) -> None:
        # What a run has found and noted down is planned without writing anything.
        for command in ((),) if ran else ((), ("plan",)):
            done = site.doit(*command)
            told = done.stdout + done.stderr
            assert done.returncode != 0, told
            assert "Traceback" not in told
            assert str(site.output) in told
            assert t("Next:") in told

    on_a_spoilt_disk(tmp_path, harm, work, ran=ran)
