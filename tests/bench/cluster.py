"""A Dask cluster of four workers, each with a line of its own: against one, and plain jobs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Lock
from comfyfix.settings.overrides import LOCK_FILE
from tests.bench.files import locked_files
from tests.bench.line import MEGABYTE, served
from tests.cluster import DaskCluster, cluster
from tests.faults.rig import running_of, wait_until
from tests.rig import Site

FILES, SIZE, RATE, WORKERS, AT_ONCE = 160, 16 << 20, 10, 4, 3
NAMES = [f"harbour_crane_{number:03d}.safetensors" for number in range(FILES)]
DOIT = (sys.executable, "-m", "doit", "--frozen")


def _by(line: str) -> dict[str, str]:
    """Variables of who is served by this line and no other."""
    return {"http_proxy": line, "HTTP_PROXY": line, "NO_PROXY": "", "no_proxy": ""}


def _site(root: Path, lock: Lock, store: Path, address: str | None = None) -> Site:
    root.mkdir(parents=True)
    store.mkdir(exist_ok=True)
    site = Site(root, None)
    told = {"cluster": address} if address else {}
    site.manifest(store=str(store), download={"parallel": AT_ONCE}, **told)
    (site.root / LOCK_FILE).write_text(lockfile.text(lock))
    return site


def _start(site: Site, **env: str) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    given = site.environment(**env)
    return subprocess.Popen(DOIT, cwd=site.root, stdout=quiet, stderr=quiet, env=given)


@contextlib.contextmanager
def _lines(folder: Path, count: int) -> Iterator[list[str]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(served(folder, all_together=RATE)) for _ in range(count)]


def _there(store: Path) -> int:
    """Bytes that have arrived; files of this size grow as they come."""
    total = 0
    for path in (store / "loras").glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # it has just got its name
            total += path.stat().st_size
    return total


def _require_all(store: Path, lock: Lock) -> None:
    for entry in lock.entries.values():
        data = (store / "loras" / entry.path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry.sha256, entry.path
    assert not list((store / "loras").glob("*.part"))


def _jobs(root: Path, lock: Lock, folder: Path) -> float:
    """Plain jobs, one on each line: seconds until the last has ended."""
    store = root / "store"
    root.mkdir()
    sites = [_site(root / f"job{number}", lock, store) for number in range(WORKERS)]
    with _lines(folder, WORKERS) as lines:
        start = time.perf_counter()
        running = [
            _start(site, HF_ENDPOINT=lines[0], COMFYFIX_SHARD=f"{number}/{WORKERS}", **_by(line))
            for number, (site, line) in enumerate(zip(sites, lines, strict=True))
        ]
        codes = [each.wait() for each in running]
        seconds = time.perf_counter() - start
    assert codes == [0] * WORKERS, codes
    _require_all(store, lock)
    return seconds


def _cluster(
    root: Path, lock: Lock, folder: Path, workers: int,
    meanwhile: Callable[[DaskCluster, Path, float], None] = lambda *_: None,
) -> float:  # fmt: skip
    """A cluster: seconds from the start of comfyfix to its end."""
    store = root / "store"
    root.mkdir()
    with _lines(folder, workers) as lines, cluster(root / "dask") as dask:
        for number, line in enumerate(lines):
            dask.start(f"w{number}", downloads=AT_ONCE, env=_by(line))
        site = _site(root / "site", lock, store, dask.address)
        start = time.perf_counter()
        running = _start(site, HF_ENDPOINT=lines[0])
        meanwhile(dask, store, start)
        code = running.wait()
        seconds = time.perf_counter() - start
        assert code == 0, code
    _require_all(store, lock)
    return seconds


class _Killing:
    """Kills one worker in the middle, and notes when all that it had started was gone."""

    def __init__(self) -> None:
        self.at = self.gone = self.left = 0.0

    def __call__(self, dask: DaskCluster, store: Path, start: float) -> None:
        wait_until(lambda: _there(store) >= FILES // 2 * SIZE, seconds=600)
        before = {each.pid for each in (*dask.workers.values(), dask.scheduler)}
        names = {pid: name for name, each in dask.workers.items() for pid in [each.pid]}
        victim = dask.workers["w0"]
        others = {pid for pid in running_of(dask.root) if pid not in before}
        assert names[victim.pid] == "w0"
        mine = {pid for pid in others if _started_by(pid, victim.pid)}
        assert mine, "bash and curl"
        self.at, self.left = time.perf_counter() - start, FILES * SIZE - _there(store)
        begun = time.perf_counter()
        victim.kill()
        wait_until(lambda: not mine & set(running_of(dask.root)), seconds=60)
        self.gone = time.perf_counter() - begun


def _started_by(pid: int, above: int) -> bool:
    """Tell whether a process is one of a session that this one has started."""
    try:
        leader = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
        parent = int(Path(f"/proc/{leader}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return parent == above


def main() -> None:
    """Print the table."""
    total = FILES * SIZE / MEGABYTE
    print(f"{FILES} files of {SIZE >> 20} MiB ({total:.0f} MB), --frozen; each worker or job has "
          f"{RATE} MB/s,\nand {AT_ONCE} downloads at a time; load {os.getloadavg()[0]:.0f} on "
          f"{os.cpu_count()} cores")  # fmt: skip
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "served"
        folder.mkdir()
        lock = locked_files(folder, NAMES, SIZE)
        killing = _Killing()
        one = _cluster(Path(top) / "one", lock, folder, 1)
        _row("1 worker", one)
        four = _cluster(Path(top) / "four", lock, folder, WORKERS)
        _row(f"{WORKERS} workers", four, f"{one / four:.2f} × one worker")
        jobs = _jobs(Path(top) / "jobs", lock, folder)
        _row(f"{WORKERS} plain jobs", jobs, f"the workers have {jobs / four:.2f} of their speed")
        killed = _cluster(Path(top) / "killed", lock, folder, WORKERS, killing)
    least = killing.at + killing.left / ((WORKERS - 1) * RATE * MEGABYTE)
    late = killed - least
    alone = SIZE / RATE / MEGABYTE
    _row(f"{WORKERS} workers, 1 killed", killed, f"all gone after {killing.gone:.2f} s")
    print(f"  {late:+.1f} s against what the loss of its line alone costs; a file takes")
    print(f"  {alone:.1f} s, {alone * AT_ONCE:.1f} s beside two others")


def _row(what: str, seconds: float, more: str = "") -> None:
    share = FILES * SIZE / seconds / RATE / MEGABYTE
    print(f"{what:20} {seconds:7.1f} s {share:6.2f} lines' worth  {more}", flush=True)
