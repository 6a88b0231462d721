"""What a run makes of what the workers of a cluster do: a stand-in does it here."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from comfyfix.cluster.away import Errand
from comfyfix.cluster.scheduler import Lost
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.outcomes import Outcome
from comfyfix.screen.words import fixed, t
from comfyfix.script.channel import Message
from comfyfix.stages.download.talk import BEGUN, Hear
from comfyfix.tasks.run.joining import Membership
from comfyfix.why import Why
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"
DATA = file_for(NAME)
NETWORK = 15
Work = Callable[[Errand, Hear], int]


def begun(*names: str, status: int = NETWORK) -> Work:
    """Begin at these workers, one after the other, and end so."""

    def work(_: Errand, hear: Hear) -> int:
        for name in names:
            hear(Message(BEGUN, (name,)))
        return status

    return work


def brings(errand: Errand, hear: Hear) -> int:
    """Do what the script would do."""
    begun("ben")(errand, hear)
    folder = Path(errand[1])
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(DATA)
    hear("a line of the script")
    hear(Message("brought"))
    return 0


def loses_its_scheduler(_: Errand, hear: Hear) -> int:
    raise Lost(Outcome.NETWORK, Why.CLUSTER_UNREACHED, address="tcp://x", cause="gone")


@dataclass
class Cluster:
    """Does one piece of work after the other; the last one again and again."""

    works: list[Work] = field(default_factory=lambda: [brings])
    fit: dict[str, str] = field(default_factory=lambda: {"tcp://a": "anna", "tcp://b": "ben"})
    errands: list[tuple[Errand, Sequence[str]]] = field(default_factory=list)
    asked: list[object] = field(default_factory=list)
    workers: Sequence[str] = ("anna", "ben")

    def run(self, errand: Errand, hear: Hear, *, at: Sequence[str] = ()) -> int:
        self.errands.append((errand, at))
        work = self.works.pop(0) if len(self.works) > 1 else self.works[0]
        return work(errand, hear)

    def others(self, name: str) -> list[str]:
        return [address for address, other in self.fit.items() if other != name]

    def close(self) -> int:
        return 0


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()

    def away(_: Membership, lost: object = None) -> Cluster:
        made.asked.append(lost)
        return made

    monkeypatch.setattr(Membership, "away", away)
    return made


@pytest.fixture
def one(inprocess: InProcess, hub: Hub) -> InProcess:
    """One model that workers are to bring."""
    inprocess.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME])
    inprocess.manifest(cluster="tcp://127.0.0.1:8786")
    return inprocess


def fetched(hub: Hub) -> list[str]:
    return [seen.path for seen in hub.seen if "/resolve/" in seen.path and seen.method == "GET"]


def test_a_worker_gets_all_that_it_needs_and_nothing_runs_here(
    one: InProcess, hub: Hub, cluster: Cluster
) -> None:
    done = one.run()
    assert done.code == 0, done.out
    assert one.files() == {f"loras/{NAME}": sha256(DATA)}
    assert fetched(hub) == []
    (((text, folder, paths), at),) = cluster.errands
    assert text.startswith(f"export HF_ENDPOINT={hub.url}\nexport CIVITAI_ENDPOINT=")
    assert (folder, at) == (str(one.models / "loras"), ())
    assert str(one.models / "loras" / NAME) in paths
    script = "download_001_harbor_light_safetensors.sh"
    line = "Executing download: {script} ({size:size}) on {worker}"
    assert done.out.count(fixed(line, script=script, size=len(DATA), worker="ben")) == 1
    assert [row["came"] for row in one.state("report/report.json")["models"]] == ["fetched"]


def test_who_was_lost_is_told_by_the_one_who_goes_on(one: InProcess, cluster: Cluster) -> None:
    cluster.works = [lambda *given: begun("anna", status=0)(*given) + brings(*given)]
    done = one.run()
    assert done.code == 0
    lost = t("! Worker {worker} was lost; it goes on elsewhere", worker="anna")
    assert done.out.count(lost) == 1
    assert t("! Worker {worker} was lost; it goes on elsewhere", worker="ben") not in done.out


def test_where_the_network_is_cut_off_at_one_another_tries(
    one: InProcess, cluster: Cluster
) -> None:
    cluster.works = [begun("anna"), brings]
    done = one.run()
    assert done.code == 0, done.out
    assert [at for _, at in cluster.errands] == [(), ["tcp://b"]]
    cut_off = t("! Worker {worker} did not get it; it goes on elsewhere", worker="anna")
    assert done.out.count(cut_off) == 1
    assert "was lost" not in done.out


@pytest.mark.parametrize(
    ("work", "fit"),
    [
        (begun("anna"), {"tcp://a": "anna"}),  # there is no other
        (begun(), {"tcp://a": "anna", "tcp://b": "ben"}),  # nobody has begun
        (
            begun("anna", status=12),
            {"tcp://a": "anna", "tcp://b": "ben"},
        ),  # no other gets it either
    ],
)
def test_else_nobody_tries_again(
    one: InProcess, cluster: Cluster, work: Work, fit: dict[str, str]
) -> None:
    cluster.works, cluster.fit = [work], fit
    assert one.run().code == 1
    assert len(cluster.errands) == 1


def test_a_lost_scheduler_is_sought_anew_once(one: InProcess, cluster: Cluster) -> None:
    cluster.works = [loses_its_scheduler, brings]
    assert one.run().code == 0
    assert cluster.asked == [None, cluster]
    (one.models / "loras" / NAME).unlink()
    cluster.works, cluster.asked = [loses_its_scheduler], []
    assert one.run().code == 1
    assert cluster.asked == [None, cluster]


@pytest.mark.parametrize("here", ["near by", "linked"])
def test_what_is_on_this_machine_needs_no_worker(
    one: InProcess, hub: Hub, cluster: Cluster, here: str
) -> None:
    folder = one.root / "other"
    if here == "near by":
        folder.mkdir()
        (folder / NAME).write_bytes(DATA)
        (folder / "harbor_light.metadata.json").write_text(json.dumps({"sha256": sha256(DATA)}))
        one.manifest(cluster="tcp://127.0.0.1:8786", also_look_in=[str(folder)])
    else:
        one.put("checkpoints", NAME, DATA)
    done = one.run()
    assert done.code == 0, done.out
    assert (cluster.errands, fetched(hub)) == ([], [])
    assert (one.models / "loras" / NAME).read_bytes() == DATA


def test_workers_have_places_of_their_own(one: InProcess, hub: Hub, cluster: Cluster) -> None:
    """How many go on here at a time is for this machine alone."""
    names = ("harbor_light.safetensors", "slow_tide.safetensors")
    hub.add("maker/slow_tide", [names[1]])
    one.workflow("w.json", *(("loras", name) for name in names))
    one.manifest(cluster="tcp://127.0.0.1:8786", download={"parallel": 1})
    together = threading.Barrier(2, timeout=60)

    def waits(_: Errand, hear: Hear) -> int:
        together.wait()
        return 12

    cluster.works = [waits]
    assert one.run().code == 1
    assert len(cluster.errands) == 2
    assert not together.broken
