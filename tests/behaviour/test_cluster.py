"""Downloads on the workers of a Dask cluster: a real scheduler and real workers, on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from comfyfix.cluster import worker
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import because
from comfyfix.screen.words import sentence, t
from comfyfix.why import Why
from tests.cluster import DaskCluster, cluster
from tests.faults.authority import certificate, self_signed
from tests.faults.rig import running_of, wait_until
from tests.rig import Site

distributed: Any = pytest.importorskip(
    "distributed", reason="distributed is not installed: uv sync has it"
)
pytestmark = pytest.mark.soak  # several processes for each

NAMES = [f"style{number}.safetensors" for number in range(6)]
STOPPED = (130, -signal.SIGINT)
"""How a run ends that is stopped once, and twice: two signals may be one to it."""
OURS, THEIRS = "hf_canary_of_who_asks", "hf_canary_of_a_worker"
STORE_KEY = "canary-of-the-store-4711"


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskCluster]:
    with cluster(tmp_path / "dask") as made:
        yield made


def needs(site: Site, hub: Hub, *names: str, size: int = 30_000, gated: bool = False) -> None:
    """Models that the hub has, each at an address that a workflow tells."""
    for name in names:
        repo = hub.add(f"maker/{name.partition('.')[0]}", [], gated=gated)
        repo.files[name] = file_for(name, size=size)
    base = "https://huggingface.co/maker"
    urls = {name: f"{base}/{name.partition('.')[0]}/resolve/main/{name}" for name in names}
    site.workflow("w.json", *(("loras", name) for name in names), urls=urls)


def right(*names: str, size: int = 30_000) -> dict[str, str]:
    return {f"loras/{name}": sha256(file_for(name, size=size)) for name in names}


def has_no_secret(*texts: str) -> None:
    for text in texts:
        assert "canary" not in text


def test_all_is_as_if_it_ran_here(site: Site, hub: Hub, dask: DaskCluster) -> None:
    needs(site, hub, *NAMES)
    site.manifest(cluster=dask.address)
    dask.start("anna", "ben")
    done = site.doit(COMFYFIX_STORE_KEY=STORE_KEY)
    assert done.returncode == 0, done.stdout + dask.logs
    assert done.stderr == ""
    assert site.files() == right(*NAMES)
    by = re.findall(r"^  Executing download: \S+ \(.*\) on (\w+)$", done.stdout, re.MULTILINE)
    assert len(by) == len(NAMES)
    assert set(by) == {"anna", "ben"}
    told = site.state("report/report.json")["models"]
    assert {each["came"] for each in told} == {Came.FETCHED}
    assert set(site.state("downloaded_models.json")["models"]) == {*right(*NAMES)}
    log = next(site.output.glob("log/run_*.log")).read_text()
    assert "Done: " in log, "what scripts say is in the log"
    has_no_secret(dask.logs)
    state = site.models / ".comfyfix"
    assert [path.name for path in state.iterdir()] == ["receipts"]
    asked = len(hub.seen)
    dask.close()
    again = site.doit(COMFYFIX_STORE_KEY=STORE_KEY)
    assert (again.returncode, len(hub.seen)) == (0, asked), "nothing to do: nobody is asked"


def test_its_own_python_is_asked_what_a_file_is(site: Site, hub: Hub, dask: DaskCluster) -> None:
    needs(site, hub, NAMES[0])
    hub.repositories["maker/style0"].files[NAMES[0]] = b"no tensors at all" * 100
    site.manifest(cluster=dask.address)
    dask.start("anna")
    done = site.doit()
    assert done.returncode == 1
    assert site.files() == {}
    assert t("(on worker {worker})", worker="anna") in done.stdout


def pages(dask: DaskCluster, client: Any) -> str:
    """All that the scheduler shows on its pages of workers, tasks, logs and faults."""
    places = [f"main/{each}" for each in ("workers", "exceptions", "logs")]
    for place in map(quoted, client.run_on_scheduler(_workers)):
        places += [f"{kind}/{place}" for kind in ("worker", "call-stacks", "logs")]
    keys = {event[1][0] for event in client.get_events(worker.TOPIC)}
    assert keys
    places += [f"task/{quoted(key)}" for key in client.run_on_scheduler(_tasks)]
    paths = [f"/info/{place}.html" for place in places]
    # Its page has no answer while a worker counts seconds by tuples, which JSON has no keys of.
    found = str(client.run_on_scheduler(_identity))
    for path in (*paths, "/json/counts.json"):
        with urllib.request.urlopen(dask.dashboard + path) as answer:
            found += answer.read().decode()
    return found


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _identity(dask_scheduler: Any) -> str:
    return str(dask_scheduler.identity())


def _workers(dask_scheduler: Any) -> list[str]:
    return [*dask_scheduler.workers]


def _tasks(dask_scheduler: Any) -> list[str]:
    return [str(key) for key in dask_scheduler.tasks]


def test_each_worker_has_a_token_of_its_own_and_none_is_shown(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, *NAMES[:2], gated=True)
    hub.tokens |= {OURS, THEIRS}
    site.manifest(cluster=dask.address)
    secrets = {"HF_TOKEN": OURS, "COMFYFIX_STORE_KEY": STORE_KEY, "CIVITAI_TOKEN": OURS}
    dask.start("poor")
    done = site.doit(**secrets)
    assert done.returncode == 1
    report = site.state("report/report.json")
    assert {each["outcome"] for each in report["models"]} == {Outcome.TOKEN_NEEDED}
    assert t("(on worker {worker})", worker="poor") in done.stdout
    dask.workers["poor"].kill()
    dask.start("rich", env={"HF_TOKEN": THEIRS, "COMFYFIX_STORE_KEY": STORE_KEY})
    hub.seen.clear()
    with distributed.Client(dask.address, set_as_default=False) as client:
        again = site.doit(**secrets)
        assert again.returncode == 0, again.stdout
        # Of a worker that is about to go the scheduler has no page.
        wait_until(lambda: len(client.run_on_scheduler(_workers)) == 1)
        dump = site.root / "dump"
        client.dump_cluster_state(str(dump), format="yaml")
        events = str(client.get_events())
        shown = pages(dask, client)
    by_scripts = {seen.token for seen in hub.seen if seen.path.startswith("/maker")}
    assert by_scripts == {THEIRS}
    assert site.files() == right(*NAMES[:2])
    dumped = dump.with_suffix(".yaml").read_text()
    assert worker.TOPIC in dumped
    assert worker.TOPIC in events
    assert "rich" in shown
    has_no_secret(dask.logs, dumped, events, shown, done.stdout, again.stdout, again.stderr)
    for path in site.output.rglob("*"):
        if path.is_file():
            has_no_secret(path.read_text())


def test_a_failing_task_shows_text_and_paths_alone(site: Site, hub: Hub, dask: DaskCluster) -> None:
    """Dask logs what a task was given that raises: here since bash can't be started."""
    needs(site, hub, NAMES[0])
    site.manifest(cluster=dask.address)
    secrets = {"HF_TOKEN": THEIRS, "COMFYFIX_STORE_KEY": STORE_KEY}
    dask.start("anna", env=secrets)
    with distributed.Client(dask.address, set_as_default=False) as client:
        text, seen = worker.headed("exit 0", "scan"), site.root / "seen"
        future = client.submit(worker.fetch, text, "folder", ["path"], str(seen), pure=False)
        unfit = future.exception()
        assert isinstance(unfit, worker.Unfit)
        assert unfit.args == (Why.CLUSTER_STORE_UNSEEN.value,)
        seen.touch()
        broken = client.submit(worker.fetch, text, "folder", 7, str(seen), pure=False)
        assert isinstance(broken.exception(), TypeError)
        wait_until(lambda: "Compute Failed" in dask.logs)
        dump = site.root / "dump"
        client.dump_cluster_state(str(dump), format="yaml")
    has_no_secret(dask.logs, dump.with_suffix(".yaml").read_text())


def downloads(dask: DaskCluster) -> list[int]:
    """The processes that workers have started, and what these have."""
    workers = {each.pid for each in (*dask.workers.values(), dask.scheduler)}
    return [pid for pid in running_of(dask.root) if pid not in workers]


def worker_of(text: str) -> str:
    return str(re.findall(r"Executing download: .* on (\w+)$", text, re.MULTILINE)[-1])


def begun(site: Site) -> str:
    """What the log of the run says so far."""
    return "".join(path.read_text() for path in site.output.glob("log/run_*.log"))


def is_under_way(site: Site) -> bool:
    return bool([p for p in site.models.glob("loras/*.part") if p.stat().st_size > 100_000])


SIZE = 3_000_000


def test_a_killed_worker_leaves_nothing_and_another_goes_on(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, NAMES[0], size=SIZE)
    hub.rate = 400_000
    site.manifest(cluster=dask.address)
    dask.start("anna", "ben")
    running = site.start()
    wait_until(lambda: is_under_way(site))
    wait_until(lambda: " on " in begun(site))
    name = worker_of(begun(site))
    there = downloads(dask)
    assert len(there) >= 2, "bash and curl"
    dask.workers[name].kill()
    wait_until(lambda: not set(there) & set(downloads(dask)), seconds=20)
    hub.rate = 0
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said + dask.logs
    other = {"anna": "ben", "ben": "anna"}[name]
    assert t("! Worker {worker} was lost; it goes on elsewhere", worker=name) in said
    assert worker_of(said) == other
    assert site.files() == right(NAMES[0], size=SIZE)
    statuses = [seen.status for seen in hub.seen if seen.path.startswith("/cdn")]
    assert 206 in statuses, "what had arrived is kept"
    wait_until(lambda: downloads(dask) == [])
    assert not list(site.models.glob("loras/.*")), "no lock, no note"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_stops_here_stops_there(
    site: Site, hub: Hub, dask: DaskCluster, number: signal.Signals
) -> None:
    needs(site, hub, *NAMES[:3], size=SIZE)
    hub.rate = 100_000
    site.manifest(cluster=dask.address)
    dask.start("anna", downloads=2)
    running = site.start()
    wait_until(lambda: is_under_way(site))
    os.kill(running.pid, number)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == (-9 if number == signal.SIGKILL else 128 + number), said
    wait_until(lambda: downloads(dask) == [], seconds=60)
    assert "Traceback" not in said
    assert not list(site.models.glob("loras/.*")), "the scripts were asked to end"
    hub.rate = 0
    again = site.doit()
    assert again.returncode == 0, again.stdout
    assert site.files() == right(*NAMES[:3], size=SIZE)
    assert [path.name for path in (site.models / ".comfyfix").iterdir()] == ["receipts"]


def test_a_worker_takes_as_many_at_a_time_as_it_has_downloads(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, *NAMES)
    come, go = threading.Semaphore(0), threading.Event()

    def asked(what: str) -> None:
        if what.startswith("file "):
            come.release()
            go.wait(60)

    hub.on_request = asked
    site.manifest(cluster=dask.address, download={"parallel": 1})
    dask.start("anna", downloads=2, threads=4)
    running = site.start()
    for _ in range(2):
        assert come.acquire(timeout=120)
    assert not come.acquire(timeout=1)
    go.set()
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said


def hides(module: str, folder: Path, text: str) -> dict[str, str]:
    """Variables with which a worker finds another module in the place of one."""
    place = folder / "other"
    place.mkdir()
    (place / f"{module}.py").write_text(text)
    return {"PYTHONPATH": f"{place}:{Path(__file__).parents[2]}"}


def test_a_worker_of_another_version_is_told(site: Site, hub: Hub, dask: DaskCluster) -> None:
    needs(site, hub, NAMES[0])
    site.manifest(cluster=dask.address)
    dask.start("anna")
    with distributed.Client(dask.address, set_as_default=False) as client:
        client.run(_other_version)
    done = site.doit()
    assert done.returncode == 1
    assert "anna" in done.stdout
    assert t("another version of comfyfix") in done.stdout
    assert hub.count("GET", "/cdn/*") == 0


def _other_version() -> None:
    worker.__version__ = "99.0"  # type: ignore[attr-defined]


def test_a_worker_without_comfyfix_is_told(site: Site, hub: Hub, dask: DaskCluster) -> None:
    needs(site, hub, NAMES[0])
    site.manifest(cluster=dask.address)
    dask.start("anna", env=hides("comfyfix", site.root, "raise ImportError('not here')"))
    done = site.doit()
    assert done.returncode == 1
    assert "anna" in done.stdout
    assert "ImportError" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def mounted(how: str, *paths: Path) -> list[str]:
    """What starts a worker that has mounts of its own."""
    apart = ["unshare", "--mount", "--propagation", "private"]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], check=False).returncode:
        pytest.skip("mount namespaces can't be made here")
    return [*apart, "sh", "-c", f'{how} && shift {len(paths)} && exec "$@"', "sh", *map(str, paths)]


def test_a_worker_that_does_not_see_the_store_is_left_out(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, *NAMES[:2])
    site.manifest(cluster=dask.address)
    hidden = site.root / "empty"
    hidden.mkdir()
    dask.start("anna")
    dask.start("blind", before=mounted('mount --bind "$1" "$2"', hidden, site.models))
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert re.search(rf"! .*\bblind {t('does not see the store')}", done.stdout), done.stdout
    assert site.files() == right(*NAMES[:2])
    dask.workers["anna"].kill()
    (site.models / "loras" / NAMES[0]).unlink()
    count = hub.count("GET", "/cdn/*")
    done = site.doit()
    assert done.returncode == 1
    assert re.search(rf"✗ .*\bblind {t('does not see the store')}", done.stdout), done.stdout
    assert hub.count("GET", "/cdn/*") == count
    assert list(hidden.iterdir()) == []
    dask.workers["blind"].kill()
    dask.start("anna2")
    dask.start("idle", downloads=0)
    assert site.doit().returncode == 0, "one without downloads need not see it"


READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'


@pytest.mark.parametrize("how", ["blind", "read-only", "without comfyfix"])
def test_an_unfit_one_that_comes_later_is_no_hole_for_the_work(
    site: Site, hub: Hub, dask: DaskCluster, how: str
) -> None:
    needs(site, hub, *NAMES, size=SIZE)
    site.manifest(cluster=dask.address)
    hidden = site.root / "empty"
    hidden.mkdir()
    dask.start("anna")
    hub.rate = 200_000
    running = site.start()
    wait_until(lambda: is_under_way(site))
    if how == "without comfyfix":
        dask.start("bad", env=hides("comfyfix", site.root, "raise ImportError('not here')"))
    else:
        mount = 'mount --bind "$1" "$2"' if how == "blind" else READ_ONLY
        paths = (hidden, site.models) if how == "blind" else (site.models,)
        dask.start("bad", before=mounted(mount, *paths))
    dask.start("carl")
    dask.workers["anna"].kill()  # what it had goes to both
    hub.rate = 0
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said + dask.logs
    told = {
        "blind": t("Worker {worker} does not see the store", worker="bad"),
        "read-only": t("Worker {worker} can't write to the store", worker="bad"),
    }
    if how in told:  # one without comfyfix ends by the first that it is sent
        assert said.count(told[how]) == 1, said
    assert site.files() == right(*NAMES, size=SIZE)
    assert list(hidden.iterdir()) == []


def test_where_a_worker_has_no_network_another_tries(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, *NAMES)
    site.manifest(cluster=dask.address)
    closed = {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    dask.start("closed", env=closed)
    done = site.doit()
    assert done.returncode == 1
    outcomes = {each["outcome"] for each in site.state("report/report.json")["models"]}
    assert outcomes == {Outcome.NETWORK}
    assert sentence(because(Why.ON_WORKER, what="", worker="closed")).strip() in done.stdout
    dask.start("open")
    done = site.doit()
    assert done.returncode == 0, done.stdout
    line = t("! Worker {worker} did not get it; it goes on elsewhere", worker="closed")
    assert line in done.stdout
    assert site.files() == right(*NAMES)


def test_no_worker_for_downloads(site: Site, hub: Hub, dask: DaskCluster) -> None:
    needs(site, hub, NAMES[0])
    site.manifest(cluster=dask.address)
    dask.start("anna", downloads=0)
    done = site.doit()
    assert done.returncode == 1
    assert '--resources "downloads=3"' in done.stdout


def test_one_that_comes_later_is_waited_for(site: Site, hub: Hub, dask: DaskCluster) -> None:
    needs(site, hub, NAMES[0])
    site.manifest(cluster=dask.address)
    running = site.start()
    wait_until(lambda: t("no worker yet") in begun(site))
    dask.start("late")
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said


def test_a_scheduler_that_is_not_there(site: Site, hub: Hub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    needs(site, hub, *NAMES[:2])
    site.manifest(cluster=f"tcp://127.0.0.1:{port}")
    done = site.doit()
    assert done.returncode == 1
    assert f"tcp://127.0.0.1:{port}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert {each["outcome"] for each in site.state("report/report.json")["models"]} == {
        Outcome.NETWORK
    }


def test_a_scheduler_that_goes_away(site: Site, hub: Hub, dask: DaskCluster) -> None:
    needs(site, hub, NAMES[0], size=SIZE)
    hub.rate = 100_000
    site.manifest(cluster=dask.address)
    dask.start("anna")
    running = site.start(DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s")
    wait_until(lambda: is_under_way(site))
    dask.scheduler.kill()
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 1, said
    assert "Traceback" not in said
    wait_until(lambda: downloads(dask) == [], seconds=120)


@pytest.fixture
def hung(dask: DaskCluster) -> Iterator[Callable[[], None]]:
    """Makes the scheduler stand still, until the end of the test."""
    yield lambda: os.kill(dask.scheduler.pid, signal.SIGSTOP)
    os.kill(dask.scheduler.pid, signal.SIGCONT)


@pytest.fixture
def held_up(
    site: Site, hub: Hub, dask: DaskCluster, hung: Callable[[], None]
) -> subprocess.Popen[str]:
    """A run whose scheduler stands still in the middle of a download."""
    needs(site, hub, *NAMES[:3], size=SIZE)
    hub.rate = 10_000
    site.manifest(cluster=dask.address)
    dask.start("anna")
    running = site.start()
    wait_until(lambda: " on anna" in begun(site))
    hung()
    return running


def test_a_scheduler_that_stands_still(site: Site, held_up: subprocess.Popen[str]) -> None:
    said, _ = held_up.communicate(timeout=240)
    assert held_up.returncode == 1, said
    assert "Traceback" not in said
    assert t("can't be reached") in said
    outcomes = {each["outcome"] for each in site.state("report/report.json")["models"]}
    assert outcomes == {Outcome.NETWORK}


@pytest.mark.parametrize("times", [1, 2])
def test_a_stop_ends_where_the_scheduler_stands_still(
    held_up: subprocess.Popen[str], times: int
) -> None:
    for _ in range(times):
        os.kill(held_up.pid, signal.SIGINT)
    said, _ = held_up.communicate(timeout=60)
    assert held_up.returncode in STOPPED[:times], said
    assert "Traceback" not in said


def test_a_second_stop_ends_it_at_once_and_what_runs_there_too(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, *NAMES[:3], size=SIZE)
    hub.rate = 100_000
    site.manifest(cluster=dask.address)
    dask.start("anna", downloads=2)
    running = site.start()
    wait_until(lambda: is_under_way(site))
    for _ in range(2):
        os.kill(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode in STOPPED, said
    assert "Traceback" not in said
    wait_until(lambda: downloads(dask) == [], seconds=60)
    assert not list(site.models.glob("loras/.*")), "the scripts were asked to end"


def test_with_a_scheduler_that_comes_back_the_work_goes_on(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, *NAMES, size=SIZE)
    hub.rate = 200_000
    site.manifest(cluster=dask.address)
    dask.start("anna")
    running = site.start(COMFYFIX_LOCK_STILL="2")
    wait_until(lambda: is_under_way(site))
    port = int(dask.address.rpartition(":")[2])
    dask.scheduler.kill()
    dask.workers["anna"].kill()
    hub.rate = 0
    dask.scheduler = dask.schedule(port)
    dask.start("ben", env={"COMFYFIX_LOCK_STILL": "2"})
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said + dask.logs
    assert site.files() == right(*NAMES, size=SIZE)
    assert "Traceback" not in said


def test_who_loses_two_workers_goes_on_at_the_third(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    needs(site, hub, NAMES[0], size=SIZE)
    hub.rate = 100_000
    site.manifest(cluster=dask.address)
    dask.start("anna", "ben", "carl")
    running = site.start()
    killed: list[str] = []
    for _ in range(2):
        wait_until(lambda: len(re.findall(r" on \w+$", begun(site), re.MULTILINE)) > len(killed))
        killed.append(worker_of(begun(site)))
        dask.workers[killed[-1]].kill()
    hub.rate = 0
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said + dask.logs
    for name in killed:
        assert t("! Worker {worker} was lost; it goes on elsewhere", worker=name) in said
    assert {worker_of(said), *killed} == {"anna", "ben", "carl"}
    assert site.files() == right(NAMES[0], size=SIZE)
    wait_until(lambda: downloads(dask) == [])


def test_two_runs_share_a_cluster_and_a_store(
    site: Site, hub: Hub, dask: DaskCluster, tmp_path: Path
) -> None:
    needs(site, hub, *NAMES)
    site.manifest(cluster=dask.address)
    other = Site(tmp_path / "other", hub)
    other.manifest(cluster=dask.address, comfyui=str(site.comfyui), output="output")
    dask.start("anna", "ben", downloads=2)
    both = [each.start() for each in (site, other)]
    for running in both:
        said, _ = running.communicate(timeout=240)
        assert running.returncode == 0, said + dask.logs
        assert "Traceback" not in said
    assert site.files() == right(*NAMES)
    for each in (site, other):
        assert set(each.state("downloaded_models.json")["models"]) == {*right(*NAMES)}
    assert hub.count("GET", "/cdn/*") == len(NAMES), "each came once"
    state = site.models / ".comfyfix"
    assert [path.name for path in state.iterdir()] == ["receipts"]


def tls(folder: Path, make: Callable[..., Any] = certificate) -> dict[str, str]:
    made = make(folder, "IP:127.0.0.1")
    return {"ca": str(made.authority), "cert": str(made.chain), "key": str(made.key)}


def options(files: dict[str, str]) -> tuple[str, ...]:
    return ("--tls-ca-file", files["ca"], "--tls-cert", files["cert"], "--tls-key", files["key"])


def test_by_tls_with_certificates_of_the_manifest(site: Site, hub: Hub, tmp_path: Path) -> None:
    files = tls(tmp_path / "keys")
    needs(site, hub, NAMES[0])
    with cluster(tmp_path / "dask", options(files)) as dask:
        assert dask.address.startswith("tls://")
        dask.start("anna")
        for wrong in ({}, tls(tmp_path / "other"), tls(tmp_path / "self", self_signed)):
            site.manifest(cluster={"address": dask.address, **wrong})
            done = site.doit()
            assert done.returncode == 1, done.stdout
            assert dask.address in done.stdout
            assert "Traceback" not in done.stdout + done.stderr
        kept = {name: os.path.relpath(path, site.root) for name, path in files.items()}
        site.manifest(cluster={"address": dask.address, **kept})
        done = site.doit()
        assert done.returncode == 0, done.stdout
    assert site.files() == right(NAMES[0])


def test_by_tls_as_dask_itself_is_configured(site: Site, hub: Hub, tmp_path: Path) -> None:
    files = tls(tmp_path / "keys")
    needs(site, hub, NAMES[0])
    told = {"ca-file": files["ca"], "client": {"cert": files["cert"], "key": files["key"]}}
    folder = site.home / ".config" / "dask"
    folder.mkdir(parents=True)
    (folder / "tls.yaml").write_text(json.dumps({"distributed": {"comm": {"tls": told}}}))
    with cluster(tmp_path / "dask", options(files)) as dask:
        dask.start("anna")
        site.manifest(cluster=dask.address)
        done = site.doit()
        assert done.returncode == 0, done.stdout


def test_a_worker_has_mirrors_of_its_own_and_signed_ones_stay_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "COMFYFIX_MIRROR", "/mnt/m https://h.example/m?sig=S3cret https://h.example/n"
    )
    env = worker._environment("", "/mnt/store")
    assert env["COMFYFIX_MIRROR"].split() == ["/mnt/m", "https://h.example/n"]
    monkeypatch.setenv("COMFYFIX_MIRROR", "https://h.example/m?sig=S3cret")
    assert "COMFYFIX_MIRROR" not in worker._environment("", "/mnt/store")
