"""`forget`: of a model, that it is to be searched again; what is there stays as it is."""

from __future__ import annotations

import errno
import os

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.disk.files import sha256_of
from comfyfix.errors import SetupProblem
from comfyfix.screen import words
from comfyfix.screen.commands import forgetting
from comfyfix.screen.words import fixed, t
from comfyfix.state import ledger
from comfyfix.state.layout import Layout
from comfyfix.why import Why
from tests.inprocess import InProcess

RIFE = ("upscale_models", "rife49.pth")
VAE = ("vae", "soft_vae.safetensors")
TASK = "download:rife49"


@pytest.fixture
def complete(inprocess: InProcess, hub: Hub) -> InProcess:
    inprocess.workflow("clip.json", RIFE, VAE)
    inprocess.put(*VAE)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    assert inprocess.run().code == 0
    return inprocess


def kept(site: InProcess) -> dict[str, str]:
    """Records, scripts and models, by their hashes."""
    found = [*site.output.glob("sources/*"), *site.output.glob("*.sh")]
    return {**{path.name: sha256_of(path) for path in found}, **site.files()}


@pytest.mark.parametrize("name", [TASK, "rife49.pth", "upscale_models/rife49.pth", "download"])
def test_the_next_run_searches_again_and_leaves_what_is_the_same(
    complete: InProcess, hub: Hub, name: str
) -> None:
    before = kept(complete)
    done = complete.run("forget", name)
    assert done.code == 0, done
    assert forgetting.searched_again(TASK) in done.out
    assert kept(complete) == before
    assert complete.run("list", "-q").out == f"{TASK}\n"
    fetched, asked = hub.count("GET", "/cdn/*"), len(hub.seen)
    done = complete.run()
    assert done.code == 0, done
    assert t("✓ It was there already") in done.out
    assert len(hub.seen) > asked, "it was searched"
    assert hub.count("GET", "/cdn/*") == fetched, "it was not fetched"
    assert kept(complete) == before
    assert t("Nothing to do") in complete.run().out


def test_another_source_takes_another_number_and_the_file_stays(
    complete: InProcess, hub: Hub
) -> None:
    before = kept(complete)
    hub.repositories.clear()
    hub.add("other/rife-models", ["rife49.pth"])
    for repository in hub.repositories.values():
        for name in repository.files:
            repository.files[name] = file_for("another.pth")
    assert complete.run("forget", TASK).code == 0
    for _ in range(2):  # and it is told again, until the user has done something
        done = complete.run()
        assert done.code == 1, done
        assert "other/rife-models" in done.out
        assert f"`comfyfix ignore {TASK}`" in done.out
        assert {name: kept(complete)[name] for name in before} == before
    assert "002_rife49_pth.json" in kept(complete)
    assert "003_rife49_pth.json" not in kept(complete)
    (complete.models / "/".join(RIFE)).unlink()
    assert complete.run().code == 0
    assert complete.files()["/".join(RIFE)] != before["/".join(RIFE)]
    assert complete.run("list", "-q").out == ""


def test_what_it_says_to_keep_ones_own_file_does_so(complete: InProcess, hub: Hub) -> None:
    before = complete.files()
    for repository in hub.repositories.values():
        for name in repository.files:
            repository.files[name] = file_for("another.pth")
    assert complete.run("forget", TASK).code == 0
    assert complete.run().code == 1
    assert complete.run("ignore", TASK).code == 0
    for _ in range(2):
        done = complete.run()
        assert done.code == 0, done
        assert complete.files() == before
    assert complete.run("forget", TASK).code == 0, "and it is asked for again"
    assert complete.run().code == 1


def test_an_absent_model_is_searched_afresh(complete: InProcess, hub: Hub) -> None:
    (complete.models / "/".join(RIFE)).unlink()
    hub.repositories.clear()
    hub.add("other/rife-models", ["rife49.pth"])
    assert complete.run("forget", TASK).code == 0
    assert complete.run("plan").code == 0
    done = complete.run()
    assert done.code == 0, done
    assert {"001_rife49_pth.json", "002_rife49_pth.json"} <= set(kept(complete))
    assert "003_rife49_pth.json" not in kept(complete)


def test_forget_alone_forgets_what_doit_remembers_and_says_so(complete: InProcess) -> None:
    assert complete.state(".cache/doit.json")
    before = kept(complete), complete.state("ledger.json")
    done = complete.run("forget")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{forgetting.memory(3)}\n"
    assert complete.state(".cache/doit.json") == {}
    assert (kept(complete), complete.state("ledger.json")) == before
    assert complete.run("list", "-q").out == ""


def test_what_was_there_before_is_looked_at_again(complete: InProcess) -> None:
    assert complete.run("forget", "soft_vae.safetensors").code == 0
    done = complete.run()
    assert done.code == 0
    assert fixed("Executing download: ") not in done.out
    assert "1" in done.out


def test_what_can_not_be_written_is_told(
    complete: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_layout: Layout, _models: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(ledger, "search_again", refused)
    done = complete.run("forget", TASK)
    assert (done.code, done.out) == (3, "")
    place, cause = complete.output / "ledger.json", os.strerror(errno.EROFS)
    told = words.problem(SetupProblem(Why.OUTPUT_UNUSABLE, path=place, cause=cause))
    assert told in done.err
