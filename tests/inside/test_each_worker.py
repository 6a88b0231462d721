"""Workers with disks of their own, played by a stand-in: what each is sent, and what it may say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.inprocess import InProcess

LIGHT, TIDE = "harbor_light.safetensors", "harbor_tide.safetensors"
GOOD = {"model": f"loras/{LIGHT}", "status": "ok", "size": 3, "sha256": "00", "message": ""}
ALL_WELL = (0, json.dumps([GOOD]))


class Cluster:
    """Stands for `Away`: its workers say what the test wants."""

    workers: ClassVar[dict[str, str]] = {"tls://a": "anna", "tls://b": "be/n"}
    says: ClassVar[dict[str, Callable[[], tuple[int, str]]]] = {}
    sent: ClassVar[dict[str, tuple[dict[str, Any], str]]] = {}
    closed: ClassVar[list[int]] = []

    def __init__(self, *_: object) -> None:
        """Reach it."""

    def run_locked(
        self, at: str, settings: str, lock: str, hear: Callable[[object], None]
    ) -> tuple[int, str]:
        """Say what this worker says."""
        name = self.workers[at]
        self.sent[name] = json.loads(settings), lock
        hear("it has begun")
        return self.says.get(name, lambda: ALL_WELL)()

    def close(self) -> int:
        """Leave it."""
        self.closed.append(1)
        return 0


@pytest.fixture
def site(inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Two workflows of one model each, locked."""
    away = pytest.importorskip("comfyfix.cluster.away", reason="uv sync has distributed")
    monkeypatch.setattr(away, "Away", Cluster)
    for name in ("says", "sent"):
        monkeypatch.setattr(Cluster, name, {})
    monkeypatch.setattr(Cluster, "closed", [])
    for workflow, model in (("a.json", LIGHT), ("b.json", TIDE)):
        inprocess.workflow(workflow, ("loras", model))
        hub.add(f"maker/{model.partition('.')[0]}", [model])
    manifest(inprocess)
    assert inprocess.run("lock").code == 0
    return inprocess


def manifest(site: InProcess, **named: list[str]) -> None:
    cluster: dict[str, Any] = {"address": "tls://127.0.0.1:9", "store": "each"}
    site.manifest(cluster={**cluster, **({"workers": named} if named else {})})


def told(site: InProcess, file: str) -> Any:
    return site.state(f"report/workers/{file}.json")


def test_each_is_sent_what_it_needs_and_nothing_of_this_machine(site: InProcess) -> None:
    manifest(site, anna=["a.*"])
    done = site.run(HF_TOKEN="hf_canary")
    assert done.code == 0, done.out + done.err
    holds = {name: (LIGHT in lock, TIDE in lock) for name, (_, lock) in Cluster.sent.items()}
    assert holds == {"anna": (True, False), "be/n": (True, True)}
    for settings, lock in Cluster.sent.values():
        store = str(site.models)
        assert (settings["comfyui"], settings["models_directory"], settings["store"]) == (
            store,
        ) * 3
        assert (settings["confirm"], settings["verify"]["qwen"]) == (False, False)
        assert "cluster" not in settings
        assert "canary" not in lock + json.dumps(settings)
    for name, count in (("anna", 1), ("be/n", 2)):
        assert t("Worker {name}: {count:models} to be there", name=name, count=count) in done.out
    assert told(site, "anna") == {
        "version": 1, "worker": "anna", "good": True, "problem": "", "models": [GOOD],
    }  # fmt: skip
    assert told(site, "be%2Fn")["worker"] == "be/n", "a name is no path"
    assert Cluster.closed, "it is left"
    (log,) = site.output.glob("log/run_*.log")
    assert "anna: it has begun" in log.read_text()
    assert "it has begun" not in done.out


def lost() -> tuple[int, str]:
    raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_WORKER_LOST, worker="anna")


LOST = because(Why.CLUSTER_WORKER_LOST, worker="anna")
UNHEARD = because(Why.CLUSTER_WORKER_TELLS, worker="anna", said="7")
BAD = json.dumps([GOOD | {"status": "damaged", "message": "it ends early"}])


@pytest.mark.parametrize(
    ("says", "problem", "rows"),
    [
        (lost, words.worded(LOST)[0], 0),
        (lambda: (0, BAD), "", 1),
        (lambda: (1, ALL_WELL[1]), "", 1),
        (lambda: (7, ""), words.sentence(UNHEARD), 0),
    ],
    ids=["lost", "one is bad", "something else failed", "no rows"],
)
def test_one_that_is_not_all_well_is_told_and_the_others_go_on(
    site: InProcess, says: Callable[[], tuple[int, str]], problem: str, rows: int
) -> None:
    Cluster.says["anna"] = says
    done = site.run()
    assert done.code == 1
    anna = told(site, "anna")
    assert (anna["good"], len(anna["models"])) == (False, rows)
    assert anna["problem"].startswith(problem)
    assert bool(anna["problem"]) is bool(problem)
    assert problem in done.out
    assert ("it ends early" in done.out) is any(row["message"] for row in anna["models"])
    assert told(site, "be%2Fn")["good"] is True


@pytest.mark.parametrize(
    ("named", "word"),
    [({"bem": ["b.json"]}, "bem"), ({"anna": ["c.json"]}, "c.json")],
    ids=["worker", "workflow"],
)
def test_what_is_named_wrongly_is_told_and_nobody_is_sent_anything(
    site: InProcess, named: dict[str, list[str]], word: str
) -> None:
    manifest(site, **named)
    done = site.run()
    assert done.code == 1
    assert word in done.out
    assert Cluster.sent == {}


def test_without_a_lock_file_nobody_can_be_told_what_is_needed(site: InProcess) -> None:
    (site.root / "manifest.lock.yaml").unlink()
    done = site.run()
    assert done.code == 3
    assert "manifest.lock.yaml" in done.err
    assert not list(site.models.rglob("*.safetensors")), "it is told before anything is fetched"


def test_where_a_part_is_asked_for_no_worker_is_asked(site: InProcess) -> None:
    assert site.run("download:harbor_light").code == 0
    assert Cluster.sent == {}


def test_without_a_worker_not_all_is_well(site: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "workers", {})
    assert site.run().code == 1


def test_that_verdicts_can_t_be_written_is_told_and_the_run_goes_on(site: InProcess) -> None:
    (site.output / "report").mkdir(parents=True, exist_ok=True)
    (site.output / "report" / "workers").write_text("in the way")
    done = site.run()
    assert done.code == 0, done.out + done.err
    assert str(site.output / "report" / "workers") in done.err
    assert "Traceback" not in done.err
    for name in ("anna", "be/n"):
        assert t("✓ Worker {name}: {count:models} there and right", name=name, count=1) in done.out
