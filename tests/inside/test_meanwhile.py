"""What another process brings, or has brought since the run began, is taken without a script."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.lease import lease
from comfyfix.disk.lease.owner import where
from comfyfix.errors import Problem
from comfyfix.once import Once
from comfyfix.outcomes import Came
from comfyfix.records import Model
from comfyfix.screen.words import fixed, t
from comfyfix.script import engine
from comfyfix.stages.download.meanwhile import Patience
from comfyfix.stages.needs.work import Planned
from comfyfix.state import receipts
from comfyfix.state.layout import store_receipt
from comfyfix.state.receipts import Receipts
from comfyfix.tasks.downloads import meanwhile
from comfyfix.tasks.run import tried
from comfyfix.tasks.run.running import Run
from tests.inprocess import InProcess, Ran

NAME = "harbour_tide_0.safetensors"
KEY = {"COMFYFIX_STORE_KEY": "a key of the store: canary"}
MODEL = Model(folder="loras", path=NAME)


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    hub.add("harbour/harbour_tide", [NAME])
    inprocess.workflow("w.json", ("loras", NAME))
    (inprocess.models / "loras").mkdir(parents=True)
    return inprocess


@pytest.fixture
def after_loading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen once all is planned and found, before anything is fetched."""

    def happens(what: Callable[[], object]) -> None:
        done: Once[str, object] = Once()
        put_engine = engine.put

        def put(*told: Any, **more: Any) -> Path | None:
            done.get("", what)
            return put_engine(*told, **more)

        monkeypatch.setattr(engine, "put", put)

    return happens


def scripts(done: Ran) -> int:
    """How many scripts were started."""
    return done.out.count(fixed("Executing download: {script}", script="download_"))


def came(site: InProcess) -> list[str | None]:
    attempts = site.state("ledger.json")["models"][MODEL.key]["attempts"]
    return [attempt["came"] for attempt in attempts]


def lock(site: InProcess, owner: str) -> Path:
    path = site.models / "loras" / f".{NAME}.lock"
    path.symlink_to(owner)
    return path


def test_what_another_has_brought_needs_no_script(
    site: InProcess, hub: Hub, after_loading: Callable[[Callable[[], object]], None]
) -> None:
    after_loading(lambda: site.put("loras", NAME))
    done = site.run()
    assert (done.code, scripts(done)) == (0, 0), done
    assert came(site) == [Came.OTHERS]
    assert hub.count("GET", "/*/resolve/*") == 0
    assert fixed("  ✓ Verified: {count:models}", count=1) in done.out
    receipt = site.state("downloaded_models.json")["models"][MODEL.key]
    assert (receipt["sha256"], receipt["verified"]) == (sha256(file_for(NAME)), True)
    assert store_receipt(site.models, "loras", NAME).exists()
    for left in ("sources", "."):
        assert list((site.output / left).glob("*001_harbour*")), "record and script are there"
    again = site.run()
    assert (again.code, scripts(again)) == (0, 0)
    assert came(site) == [Came.OTHERS], "nothing was left to be done"


def test_a_batch_knows_what_another_run_of_the_project_has_brought_since(
    site: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Model(folder="loras", path="nobody_has_this.safetensors")
    site.workflow("w.json", ("loras", lost.path))
    digest, note = sha256(file_for(lost.path)), tried.note

    def noting(run: Run, planned: Planned, problem: Problem) -> None:
        note(run, planned, problem)
        assert lost.key not in run.receipts.all()
        path = site.put("loras", lost.path)
        made = receipts.of_file(lost, path, digest, script="", verified=False)
        Receipts(run.project.layout).keep([(lost, made)])

    monkeypatch.setattr(tried, "note", noting)
    done = site.run()
    assert done.code == 1, done
    [told] = site.state("verified/batch_001.json")["verified"]
    assert told["status"] == "unverified"
    assert told["sha256"] == digest, "it is not hashed: nobody tells what it must be"


def test_a_wrong_file_that_another_has_put_there_is_for_the_script(
    site: InProcess, after_loading: Callable[[Callable[[], object]], None]
) -> None:
    data = bytearray(file_for(NAME))
    data[-1] ^= 1
    path = site.models / "loras" / NAME
    after_loading(lambda: path.write_bytes(data))
    done = site.run()
    assert (done.code, scripts(done)) == (0, 1), done
    assert sha256(path.read_bytes()) == sha256(file_for(NAME))
    assert path.with_name(f"{NAME}.damaged").read_bytes() == data
    assert came(site) == [Came.FETCHED]


@pytest.mark.parametrize("key", ["of the store", "another", "none"])
def test_only_what_is_signed_with_our_key_is_not_hashed(
    site: InProcess, after_loading: Callable[[Callable[[], object]], None], key: str
) -> None:
    """The bytes are wrong and the receipt says that they are right: who believes it reads none."""
    data = bytearray(file_for(NAME))
    data[-1] ^= 1
    path = site.models / "loras" / NAME
    words = {"of the store": KEY, "another": {"COMFYFIX_STORE_KEY": "another"}, "none": {}}
    trust = site.project(**words[key]).trust

    def put() -> None:
        path.write_bytes(data)
        told = receipts.of_file(MODEL, path, sha256(file_for(NAME)), script="", verified=True)
        Receipts(site.project().layout).save(site.models, trust, [(MODEL, told)])
        (site.output / "downloaded_models.json").unlink()

    after_loading(put)
    done = site.run(**KEY)
    believed = key == "of the store"
    assert (done.code, scripts(done)) == (0, 0 if believed else 1), done
    assert (path.read_bytes() == data) == believed


def test_who_brings_it_is_waited_for_and_told(
    site: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner lives: it is this process."""
    me = f"{where()}.{os.getpid()}"
    held = lock(site, me)
    notes = held.with_name(f".{NAME}.{me}.work")
    notes.mkdir()
    (notes / "who").write_text("anna on bigbox process 7\n")
    looks = []

    def time_passes(_: float) -> None:
        looks.append(0)
        if len(looks) == 2:  # it has its name, and is held still
            site.put("loras", NAME)
        elif len(looks) == 3:
            (notes / "who").unlink()
            notes.rmdir()
            held.unlink()

    monkeypatch.setattr(meanwhile, "rest", time_passes)
    done = site.run()
    assert (done.code, scripts(done), len(looks)) == (0, 0, 3), done
    told = t("{name} is being fetched by {who}", name=NAME, who="anna on bigbox process 7")
    assert done.out.count(told) == 1
    assert came(site) == [Came.OTHERS]
    assert hub.count("GET", "/*/resolve/*") == 0


def test_what_its_holder_has_given_up_is_fetched(
    site: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = lock(site, f"{where()}.{os.getpid()}")
    monkeypatch.setattr(meanwhile, "rest", lambda _: held.unlink())
    done = site.run()
    assert (done.code, scripts(done)) == (0, 1), done
    assert came(site) == [Came.FETCHED]


def test_the_lease_of_the_dead_is_taken_over_at_once(
    site: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    lock(site, f"{where()}.{ended.pid}")
    monkeypatch.setattr(meanwhile, "rest", lambda _: pytest.fail("nobody is waited for"))
    done = site.run()
    assert (done.code, scripts(done)) == (0, 1), done
    assert came(site) == [Came.FETCHED]
    assert [path.name for path in (site.models / "loras").iterdir()] == [NAME]


def test_who_gives_no_sign_is_for_the_script_and_so_is_a_wait_that_is_over() -> None:
    now = [1000.0]
    holder = [lease.Holder("m.1", str(number), "anna") for number in range(9)]
    told = {"COMFYFIX_LOCK_WAIT": "100", "COMFYFIX_LOCK_STILL": "60"}
    patience = Patience(told, clock=lambda: now[0])

    def after(seconds: float, sign: int) -> bool:
        now[0] += seconds
        return patience.holds(holder[sign])

    assert [after(0, 0), after(29, 0), after(2, 1), after(29, 1), after(1, 1)] == [
        True, True, True, True, False
    ]  # fmt: skip
    assert (after(0, 2), patience.left()) == (True, 39)
    assert (after(29, 3), after(9, 4), after(1, 5)) == (True, True, False)
    assert patience.left() == 0
    assert not Patience({"COMFYFIX_LOCK_WAIT": "ten"}).holds(holder[0]), "the script reads nothing"


@pytest.mark.parametrize("said", ["\x1b[31mroot$(id)", "x" * 65, "", None])
def test_what_a_holder_says_of_itself_is_not_trusted(tmp_path: Path, said: str | None) -> None:
    owner = f"elsewhere.{os.getpid()}"
    (tmp_path / ".a.lock").symlink_to(owner)
    notes = tmp_path / f".a.{owner}.work"
    notes.mkdir()
    if said is None:
        (tmp_path / "secret").write_text("anna")
        (notes / "who").symlink_to("../secret")
        os.mkfifo(notes / "beat")
    else:
        (notes / "who").write_text(said)
    assert lease.holder(str(tmp_path), "a") == lease.Holder(owner, "", owner)


@pytest.mark.parametrize("target", ["", "nobody", "../x.1", "a.b", "a.1.2", "a.99999999999"])
def test_a_link_that_is_no_lease_holds_nobody_up(tmp_path: Path, target: str) -> None:
    if target:
        (tmp_path / ".a.lock").symlink_to(target)
    else:
        (tmp_path / ".a.lock").write_text("mine")
    assert lease.holder(str(tmp_path), "a") is None
