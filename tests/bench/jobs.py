"""Eight jobs, each with an output folder of its own, one store and one line that they share."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from comfyfix.outcomes import Came
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Lock
from comfyfix.settings.overrides import LOCK_FILE
from tests.bench.files import locked_files
from tests.bench.line import COUNTS, MEGABYTE, SPAN, served
from tests.rig import Site

FILES, SIZE, RATE, JOBS = 200, 4 << 20, 20, 8
NAMES = [f"harbour_crane_{number:03d}.safetensors" for number in range(FILES)]
DOIT = (sys.executable, "-m", "doit", "--frozen")


def _sites(root: Path, lock: Lock, jobs: int) -> list[Site]:
    store = root / "store"
    store.mkdir(parents=True)
    made = []
    for number in range(jobs):
        (root / f"job{number}").mkdir()
        site = Site(root / f"job{number}", None)
        site.manifest(store=str(store))
        (site.root / LOCK_FILE).write_text(lockfile.text(lock))
        made.append(site)
    return made


def _run(root: Path, lock: Lock, folder: Path, jobs: int, *, kill: bool = False) -> None:
    """One row of the table."""
    sites = _sites(root, lock, jobs)
    with served(folder, all_together=RATE) as line:
        start, used = time.perf_counter(), _used()
        running = [
            subprocess.Popen(
                DOIT, cwd=site.root, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
                env=site.environment(HF_ENDPOINT=line, COMFYFIX_SHARD=f"{number}/{jobs}"),
            )
            for number, site in enumerate(sites)
        ]  # fmt: skip
        if kill:
            while len(list((root / "store").glob("loras/[!.]*.safetensors"))) < FILES // 4:
                time.sleep(0.1)
            os.killpg(running[0].pid, signal.SIGKILL)
        codes = [each.wait() for each in running][int(kill) :]
        seconds, used = time.perf_counter() - start, _used() - used
        begun: dict[str, int] = _told(line + COUNTS)
        first, last = _told(line + SPAN)
        span = last - first
    assert codes == [0] * len(codes), codes
    there = {path.name: path for path in (root / "store" / "loras").glob("*.safetensors")}
    assert there.keys() == set(NAMES)
    for entry in lock.entries.values():
        data = there[entry.path].read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry.sha256
    least = sum(entry.size for entry in lock.entries.values()) / RATE / MEGABYTE
    claims = [_claims(site) for site in sites[int(kill) :]]
    told = f"{jobs} jobs, one killed" if kill else f"{jobs} jobs" if jobs > 1 else "1 job"
    print(
        f"{told:20} {seconds:8.1f} {used:8.1f} {1 - least / seconds:7.1%} {1 - least / span:7.1%} "
        f"{max(begun.values()):9} {sum(begun.values()):6} {sum(claims):8}",
        flush=True,
    )


def _told(address: str) -> Any:
    with urllib.request.urlopen(address) as told:
        return json.load(told)


def _used() -> float:
    """Seconds of all processors that children which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _claims(site: Site) -> int:
    """How many models a job says that it has fetched."""
    told = site.state("report/report.json")["models"]
    return sum(model["came"] == Came.FETCHED for model in told)


def main() -> None:
    """Print the table."""
    print(f"{FILES} files of {SIZE >> 20} MiB by one line of {RATE} MB/s, --frozen")
    print("idle: how long no byte went by, in all, and from the first byte to the last")
    print(f"{'':20} {'seconds':>8} {'of cpus':>8} {'idle':>7} {'line':>7} {'most/file':>9} "
          f"{'begun':>6} {'claimed':>8}")  # fmt: skip
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "served"
        folder.mkdir()
        lock = locked_files(folder, NAMES, SIZE)
        for number, (jobs, kill) in enumerate(((1, False), (JOBS, False), (JOBS, True))):
            _run(Path(top) / str(number), lock, folder, jobs, kill=kill)
