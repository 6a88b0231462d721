"""A real run of several runners, and what the simulation says of it.

The real ones are `doit --frozen`, each with an output of its own, one store, one line: the bench of
jobs. What a file costs on this machine, and what a runner takes to begin and to end, is measured by
one runner and by two; what is compared is how long eight of them take together.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

from comfyfix.demo.content import file_for
from comfyfix.disk.files import sha256_of
from comfyfix.outcomes import Came
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.overrides import LOCK_FILE
from tests.bench.line import COMMIT, SPAN, served
from tests.rig import Site
from tests.simulation import scenes
from tests.simulation.scenes import Outcome
from tests.simulation.world import MEGABYTE, Scene

RUNNERS, FILES, SIZE, RATE = 8, 64, 3_000_000, 2.4
"""Files of so many bytes, and the line's MB/s: so slow that the machine is not what is short."""
DOIT = (sys.executable, "-m", "doit", "--frozen")
WITHIN = 0.10


@dataclass(frozen=True, kw_only=True)
class Real:
    """What runners took: seconds in all, and of processors; and how many files each has brought.

    `before` are the seconds until the first byte was on the line, `after` those since the last.
    """

    seconds: float
    used: float
    before: float
    after: float
    brought: list[int]

    @property
    def span(self) -> float:
        """Seconds from the first byte on the line to the last."""
        return self.seconds - self.before - self.after


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One row: what was run, how long it took, how long the simulation says."""

    name: str
    real: Real
    simulated: Outcome

    @property
    def off(self) -> float:
        """How far the simulation is from it; below nought it is too short."""
        return (self.simulated.ended or 0) / self.real.seconds - 1


def compare() -> list[Compared]:
    """Run it, simulate it."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "served"
        folder.mkdir()
        lock = _lock(folder)
        machine, rows = _measured(Path(top), lock, folder), []
        for name, sharded, signed in (
            ("begin at the same model", False, False),
            ("sharded", True, False),
            ("sharded, signed", True, True),
        ):
            real = _real(
                Path(top) / name, lock, folder, runners=RUNNERS, rate=RATE, sharded=sharded,
                signed=signed,
            )  # fmt: skip
            scene = replace(machine, name=name, sharded=sharded, signed=signed)
            played = scenes.play(scene, scenes.planned(FILES))
            rows.append(Compared(name=name, real=real, simulated=played))
            print(rows[-1], f"{rows[-1].off:+.1%}", os.getloadavg(), flush=True)
        return rows


def _measured(top: Path, lock: Lock, folder: Path) -> Scene:
    """What the simulation has to be told of this machine, in the state in which it is now.

    One runner has a core of its own: it tells what the line gives, what beginning and ending take,
    and what is left for each file that it fetches. Two tell what a file costs that another has
    brought, hash and all; how fast a core hashes is measured by itself. How much of the cores
    others leave us is told by all runners that begin together, and find all there.
    """
    one = _real(top / "one", lock, folder, runners=1, rate=RATE)
    there = _real(top / "one", lock, folder, runners=RUNNERS, rate=0, first=1)
    two = _real(top / "two", lock, folder, runners=2, rate=RATE, sharded=True)
    hashing = _hashing(folder)
    # The first file is fetched before its first byte comes.
    fetching = max(0.0, (one.used - one.before - one.after) / (FILES - 1))
    starting, ending = max(0.0, one.before - fetching), one.after
    found = (two.used - 2 * (starting + ending)) / FILES - fetching
    hashed = SIZE / MEGABYTE / hashing
    measured = Scene(
        name="", models=FILES, runners=RUNNERS, locked=True, size=SIZE / MEGABYTE,
        line=FILES * SIZE / MEGABYTE / one.span, each=1e6, write=1e6, read=1e6, resolves=10**9,
        hashing=hashing, starting=starting, ending=ending, fetching=max(0.0, fetching - hashed),
        finding=max(0.0, found - hashed), cores=max(0.1, there.used / there.seconds),
        one_machine=True,
    )  # fmt: skip
    print(one, there, two, measured, sep="\n", flush=True)
    return measured


def _hashing(folder: Path) -> float:
    """How many MB a core hashes in a second, files of this size that are in memory."""
    rates = []
    for path in sorted(folder.iterdir())[:16]:
        start = time.thread_time()
        sha256_of(path)
        rates.append(SIZE / MEGABYTE / (time.thread_time() - start))
    return statistics.median(rates)


def _lock(folder: Path) -> Lock:
    entries = []
    for number in range(FILES):
        name = f"harbour_crane_{number:03d}.safetensors"
        data = file_for(name, size=SIZE)
        (folder / name).write_bytes(data)
        url = f"https://huggingface.co/harbour/cranes/resolve/{COMMIT}/{name}"
        digest = hashlib.sha256(data).hexdigest()
        entries.append(Entry(folder="loras", path=name, url=url, size=len(data), sha256=digest))
    return Lock(folder / LOCK_FILE).with_entries(entries)


def _real(
    root: Path,
    lock: Lock,
    folder: Path,
    *,
    runners: int,
    rate: float,
    sharded: bool = False,
    signed: bool = False,
    first: int = 0,
) -> Real:
    """Run so many, each in an output of its own; the `first` is not 0 where the store is full."""
    store = root / "store"
    store.mkdir(parents=True, exist_ok=bool(first))
    sites = [_site(root / f"job{first + n}", store, lock) for n in range(runners)]
    more = {"COMFYFIX_STORE_KEY": "the key of this store"} if signed else {}
    with served(folder, all_together=rate) as line:
        start, used = time.monotonic(), _used()
        running = []
        for number, site in enumerate(sites):
            told = {"COMFYFIX_SHARD": f"{number}/{runners}"} if sharded else {}
            env = site.environment(HF_ENDPOINT=line, **told, **more)
            quiet = subprocess.DEVNULL
            running.append(
                subprocess.Popen(DOIT, cwd=site.root, stdout=quiet, stderr=quiet, env=env)
            )
        codes = [each.wait() for each in running]
        end, used = time.monotonic(), _used() - used
        with urllib.request.urlopen(line + SPAN) as told_span:
            begun, ended = json.load(told_span) if rate else (end, end)
    assert codes == [0] * runners, codes
    brought = list(map(_brought, sites))
    assert sum(brought) == (0 if first else FILES), brought
    return Real(
        seconds=end - start, used=used, before=begun - start, after=end - ended, brought=brought
    )


def _site(root: Path, store: Path, lock: Lock) -> Site:
    root.mkdir()
    site = Site(root)
    site.manifest(store=str(store))
    (root / LOCK_FILE).write_text(lockfile.text(lock))
    return site


def _brought(site: Site) -> int:
    told = json.loads((site.output / "report" / "report.json").read_bytes())["models"]
    return sum(model["came"] == Came.FETCHED for model in told)


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
