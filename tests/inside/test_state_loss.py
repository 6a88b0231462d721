"""Every file of output/, deleted or half written: the rerun is right and fetches nothing again."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.commands.checking import counts
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.rig import Site

NEEDS = [("upscale_models", "rife49.pth"), ("vae", "soft_vae.safetensors")]
pytestmark = pytest.mark.soak  # a matrix of 30 losses, each with several runs of doit

FILES = [
    "ledger.json",
    "download_counter.txt",
    "missing_models.json",
    "downloaded_models.json",
    "sources/001_rife49_pth.json",
    "download_001_rife49_pth.sh",
    "verified/batch_001.json",
    ".cache/scan.json",
    ".cache/pieces.json",
    ".cache/doit.json",
    "log/search_history.log",
]


@pytest.fixture
def complete(site: Site, hub: Hub) -> Site:
    site.workflow("clip.json", *NEEDS)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    assert site.doit().returncode == 0
    assert site.doit().returncode == 0  # the second run also writes the caches
    return site


@pytest.mark.parametrize("harm", ["deleted", "half", "garbage"])
@pytest.mark.parametrize("name", FILES)
def test_lost_state(complete: Site, hub: Hub, name: str, harm: str) -> None:
    path = complete.output / name
    files, fetched = complete.files(), hub.count("GET", "/cdn/*")
    data = path.read_bytes()
    if harm == "deleted":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if harm == "half" else b"\xff{nonsense")
    done = complete.doit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert complete.files() == files
    assert hub.count("GET", "/cdn/*") == fetched
    assert complete.pending() == []
    again = complete.doit()
    assert again.returncode == 0
    assert t("Nothing to do") in again.stdout


@pytest.mark.parametrize("key", ["", "a key of the store"])
def test_all_of_output_lost_the_store_knows(site: Site, hub: Hub, key: str) -> None:
    """What is there is not fetched again; that it is right only a signed receipt tells."""
    site.workflow("clip.json", *NEEDS)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("someone/soft_vae", ["soft_vae.safetensors"])
    assert site.doit(COMFYFIX_STORE_KEY=key).returncode == 0
    shutil.rmtree(site.output)
    fetched = hub.count("GET", "/cdn/*")
    assert site.pending() == []
    done = site.doit("verify", COMFYFIX_STORE_KEY=key)
    assert done.returncode == 0
    known = Counter(ok=2) if key else Counter(unverified=2)
    assert counts(known) in done.stdout
    assert (" ok " in done.stdout) is bool(key)
    assert hub.count("GET", "/cdn/*") == fetched


def test_numbers_survive_the_loss_of_the_ledger(complete: Site) -> None:
    (complete.output / "ledger.json").unlink()
    complete.workflow("more.json", ("loras", "new.safetensors"))
    assert complete.pending() == ["download:new"]
    assert "(003)" in complete.doit("list").stdout
    listed = {path.name for path in Path(complete.output).glob("download_*.sh")}
    assert listed == {"download_001_rife49_pth.sh", "download_002_soft_vae_safetensors.sh"}


@pytest.mark.parametrize("name", ["ledger.json", "downloaded_models.json"])
def test_state_of_a_newer_program_is_refused_and_stays(complete: Site, name: str) -> None:
    path = complete.output / name
    newer = path.read_bytes().replace(b'"version": 1', b'"version": 2')
    path.write_bytes(newer)
    told = because(Why.STATE_NEWER, path=path, found=2, known=1)
    for command in ((), ("list",), ("plan",), ("verify",)):
        done = complete.doit(*command)
        assert done.returncode == 3, done.stdout
        assert words.sentence(told) in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert path.read_bytes() == newer
    assert list(complete.output.glob("*.damaged")) == []


def test_what_a_newer_program_has_put_by_is_made_anew(complete: Site) -> None:
    for name in ("scan.json", "packs.json", "records.json", "pieces.json"):
        path = complete.output / ".cache" / name
        path.write_bytes(b'{"version": 2}')
    assert complete.doit().returncode == 0
    assert complete.pending() == []
