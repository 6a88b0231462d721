"""Workers with disks of their own: a mount namespace each, in which the store is another folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.screen.words import t
from tests.behaviour.test_cluster import SIZE, downloads, right
from tests.cluster import DaskCluster, cluster
from tests.faults.rig import wait_until
from tests.rig import Site

pytest.importorskip("distributed", reason="distributed is not installed: uv sync has it")
APART = ["unshare", "--mount", "--propagation", "private"]
pytestmark = pytest.mark.soak  # several processes for each

NAMES = [f"style{number}.safetensors" for number in range(4)]
OF_BEN = NAMES[3]


class Disks:
    """The project, and a disk for each worker."""

    def __init__(self, site: Site, hub: Hub, dask: DaskCluster, *, size: int = 30_000) -> None:
        self.site, self.dask = site, dask
        for name in NAMES:
            hub.add(f"maker/{name.partition('.')[0]}", []).files[name] = file_for(name, size=size)
        base = "https://huggingface.co/maker"
        urls = {name: f"{base}/{name.partition('.')[0]}/resolve/main/{name}" for name in NAMES}
        site.workflow("a.json", *(("loras", name) for name in NAMES[:3]), urls=urls)
        site.workflow("b.json", ("loras", OF_BEN), urls=urls)

    def manifest(self, **more: Any) -> None:
        """Write the manifest."""
        self.site.manifest(cluster={"address": self.dask.address, "store": "each", **more})

    def start(self, *names: str, env: dict[str, str] | None = None) -> None:
        """Start workers, each with an empty disk."""
        for name in names:
            disk, home = self.disk(name), self.site.root / f"home-{name}"
            for folder in (disk, home):
                folder.mkdir(exist_ok=True)
            mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
            before = [*APART, "sh", "-c", mount, "sh", str(disk), str(self.site.models)]
            told = {"HOME": str(home), **(env or {})}
            self.dask.start(name, env=told, before=before, threads=2)

    def disk(self, name: str) -> Path:
        """Where the disk of a worker lies here."""
        return self.site.root / f"disk-{name}"

    def files(self, name: str) -> dict[str, str]:
        """What is on it, by sha256."""
        disk = self.disk(name)
        return {
            str(path.relative_to(disk)): sha256_of(path)
            for path in disk.rglob("*.safetensors")
            if ".comfyfix" not in path.parts
        }

    def told(self, name: str) -> Any:
        """What the worker has said of its models."""
        return self.site.state(f"report/workers/{name}.json")


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskCluster]:
    if not shutil.which("unshare") or subprocess.run([*APART, "true"], check=False).returncode:
        pytest.skip("mount namespaces can't be made here")
    with cluster(tmp_path / "dask") as made:
        yield made


def test_each_gets_what_it_needs_and_tells_what_it_is(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    disks = Disks(site, hub, dask)
    disks.manifest(workers={"ben": ["b.*"]})
    done = site.doit()
    assert done.returncode == 3
    assert "manifest.lock.yaml" in done.stderr
    assert site.doit("lock").returncode == 0
    disks.start("anna", "ben")
    done = site.doit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert disks.files("anna") == right(*NAMES) == site.files()
    assert disks.files("ben") == right(OF_BEN)
    for name, models in (("anna", 4), ("ben", 1)):
        line = t("✓ Worker {name}: {count:models} there and right", name=name, count=models)
        assert line in done.stdout
    assert disks.told("ben")["good"] is True
    (row,) = disks.told("ben")["models"]
    assert row["model"] == f"loras/{OF_BEN}"
    assert row["status"] == "ok"
    assert row["sha256"] == sha256(file_for(OF_BEN, size=30_000))
    count = hub.count("GET", "/cdn/*")
    again = site.doit()
    assert again.returncode == 0, again.stdout
    assert hub.count("GET", "/cdn/*") == count, "it has been there"
    file = disks.disk("anna") / "loras" / NAMES[1]
    file.write_bytes(b"\0" * 100)
    worse = site.doit()
    told = {row["model"]: row["status"] for row in disks.told("anna")["models"]}
    bad = f"loras/{NAMES[1]}"
    assert (worse.returncode == 0) is (told[bad] == "ok"), worse.stdout
    assert site.doit().returncode == 0
    assert disks.files("anna") == right(*NAMES)


def test_what_is_named_wrongly_is_told(site: Site, hub: Hub, dask: DaskCluster) -> None:
    disks = Disks(site, hub, dask)
    disks.manifest()
    assert site.doit("lock").returncode == 0
    disks.start("anna")
    for workers, word in (({"bem": ["b.json"]}, "bem"), ({"anna": ["c.json"]}, "c.json")):
        disks.manifest(workers=workers)
        done = site.doit()
        assert done.returncode == 1
        assert word in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
    assert disks.files("anna") == {}


def test_one_whose_disk_is_not_there_makes_nothing_in_its_place(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    disks = Disks(site, hub, dask)
    disks.manifest()
    assert site.doit("lock").returncode == 0
    disks.start("anna")
    hidden = site.root / "empty"
    hidden.mkdir()
    mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    before = [*APART, "sh", "-c", mount, "sh", str(hidden), str(site.comfyui)]
    dask.start("ben", before=before, threads=2)
    done = site.doit()
    assert done.returncode == 1
    assert disks.told("ben")["good"] is False
    assert disks.told("ben")["problem"]
    assert disks.told("anna")["good"] is True
    assert list(hidden.iterdir()) == []


@pytest.mark.parametrize(
    ("mount", "full"),
    [
        ('mount -t tmpfs -o size=64k none "$1"', True),
        ('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', False),
    ],
    ids=["full", "read-only"],
)
def test_one_whose_disk_takes_no_more_is_told_and_the_other_goes_on(
    site: Site, hub: Hub, dask: DaskCluster, mount: str, *, full: bool
) -> None:
    disks = Disks(site, hub, dask)
    disks.manifest()
    assert site.doit("lock").returncode == 0
    disks.start("anna")
    before = [*APART, "sh", "-c", f'{mount} && shift && exec "$@"', "sh", str(site.models)]
    dask.start("be n", env={"HOME": str(site.root)}, before=before, threads=2)
    done = site.doit()
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert disks.told("anna")["good"] is True
    assert disks.files("anna") == right(*NAMES)
    told = disks.told("be%20n")
    assert told["worker"] == "be n"
    assert told["good"] is False
    if full:
        assert 0 < [row["status"] for row in told["models"]].count("ok") < len(NAMES)
        assert "".join(row["message"] for row in told["models"])
    else:
        assert t("Worker {worker} can't write to the store", worker="be n") in told["problem"]


def test_a_token_is_each_workers_own(site: Site, hub: Hub, dask: DaskCluster) -> None:
    disks = Disks(site, hub, dask)
    hub.repositories["maker/style3"].gated = True
    hub.tokens |= {"hf_canary_ours", "hf_canary_of_ben"}
    disks.manifest()
    ours = {"HF_TOKEN": "hf_canary_ours"}
    assert site.doit("lock", **ours).returncode == 0
    disks.start("anna")
    disks.start("ben", env={"HF_TOKEN": "hf_canary_of_ben"})
    done = site.doit(**ours)
    assert done.returncode == 1
    told = {row["model"]: row["status"] for row in disks.told("anna")["models"]}
    assert told == {f"loras/{n}": "failed" if n == OF_BEN else "ok" for n in NAMES}
    assert disks.told("ben")["good"] is True
    assert "canary" not in dask.logs + done.stdout
    assert "canary" not in "".join(
        path.read_text() for path in site.output.rglob("*") if path.is_file()
    )


def test_one_that_is_lost_is_told_and_the_others_go_on(
    site: Site, hub: Hub, dask: DaskCluster
) -> None:
    disks = Disks(site, hub, dask, size=SIZE)
    disks.manifest()
    assert site.doit("lock").returncode == 0
    assert site.doit("download").returncode in (0, 1)
    disks.start("anna", "ben")
    hub.rate = 300_000
    running = site.start()
    wait_until(lambda: bool(list(disks.disk("anna").glob("loras/*.part"))))
    there = downloads(dask)
    dask.workers["anna"].kill()
    hub.rate = 0
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 1, said
    assert disks.told("anna")["good"] is False
    assert disks.told("ben")["good"] is True, said
    assert disks.files("ben") == right(*NAMES, size=SIZE)
    wait_until(lambda: not set(there) & set(downloads(dask)), seconds=60)
    assert not list(disks.disk("anna").glob("loras/.*.lock")), "it was asked to end"


def test_a_stop_here_is_a_stop_there(site: Site, hub: Hub, dask: DaskCluster) -> None:
    disks = Disks(site, hub, dask, size=SIZE)
    disks.manifest()
    assert site.doit("lock").returncode == 0
    site.doit("download")
    disks.start("anna")
    hub.rate = 100_000
    running = site.start()
    wait_until(lambda: bool(list(disks.disk("anna").glob("loras/*.part"))))
    os.kill(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    wait_until(lambda: downloads(dask) == [])
