"""Runs from a lock file: all there, all absent, another place, and receipts that do not count."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, Seen, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.records import Model
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.settings.store_key import STORE_KEY
from comfyfix.state import receipts
from comfyfix.state.layout import Layout
from comfyfix.state.receipts import Receipts
from comfyfix.state.trust import Trust
from tests.bench.idle import bare
from tests.bench.verify import grow
from tests.rig import Site

MODELS, ABSENT, RUNS, GIB = 1000, 200, 5, 4
DOIT = (sys.executable, "-m", "doit")
SIGNED = {STORE_KEY: "k" * 40}
REPO = "harbour/ropes"


def _names(count: int) -> list[str]:
    return [f"harbour_rope_{number:04d}.safetensors" for number in range(count)]


def _locked(root: Path, hub: Hub, count: int) -> Site:
    """A project with so many models, all in its lock file, none there."""
    root.mkdir()
    site = Site(root, hub)
    names = _names(count)
    commit = hub.add(REPO, names).commit
    site.workflow("w.json", *(("loras", name) for name in names))
    place = f"https://huggingface.co/{REPO}/resolve/{commit}"
    entries = []
    for name in names:
        data, url = file_for(name), f"{place}/{name}"
        entries.append(
            Entry(folder="loras", path=name, url=url, size=len(data), sha256=sha256(data))
        )
    _lock(site, entries)
    return site


def _lock(site: Site, entries: Sequence[Entry]) -> None:
    lock = Lock(site.root / LOCK_FILE).with_entries(entries)
    lock.path.write_text(lockfile.text(lock))


def _sign(site: Site) -> None:
    """Put signed receipts of all that is locked into the store, as another checkout leaves them."""
    lock = lockfile.read(site.root / LOCK_FILE, site.root / "cache.json")
    made = []
    for entry in lock.entries.values():
        model = Model(folder=entry.folder, path=entry.path)
        path = site.models / entry.folder / entry.path
        digest = str(entry.sha256)
        made.append((model, receipts.of_file(model, path, digest, script="x", verified=True)))
    other = Layout(site.root.parent / f"{site.root.name} of another")
    Receipts(other).save(site.models, Trust(key=SIGNED[STORE_KEY].encode()), made)


def _ran(command: Sequence[str], root: Path, env: dict[str, str]) -> tuple[float, float, str]:
    """Run to the end; returns seconds, seconds of all processors, and what was said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=root, env=env, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, done.stdout


def _stamps(site: Site) -> dict[Path, tuple[int, int, int]]:
    """Everything outside output/, folders too, with what changes when it is written."""
    found = {}
    for path in site.root.rglob("*"):
        if site.output not in (path, *path.parents):
            info = path.lstat()
            found[path] = (info.st_mtime_ns, info.st_ctime_ns, info.st_size)
    return found


def _searching(seen: Sequence[Seen]) -> int:
    """How many requests are for anything but the bytes of a file."""
    return sum("/resolve/" not in one.path and "/cdn/" not in one.path for one in seen)


def _present(root: Path, hub: Hub, extra: dict[str, str], told: str) -> None:
    """A row: frozen runs with everything there, beside bare doit with tasks of that shape."""
    site, other = _locked(root, hub, MODELS), bare(root.parent / f"bare {told}", MODELS)
    for name in _names(MODELS):
        site.put("loras", name)
    if extra:
        _sign(site)
    (site.root / "tmp").mkdir()  # what is put there and taken away again changes its stamp
    env = site.environment(TMPDIR=str(site.root / "tmp"), **extra)
    frozen = (*DOIT, "--frozen")
    _ran(frozen, site.root, env)
    time.sleep(2.1)  # stamps younger than 2 s are not trusted, so the cache fills after them
    before, hub.seen = _stamps(site), []
    rows = []
    for number in range(RUNS + 1):
        ours, ours_used, _ = _ran(frozen, site.root, env)
        theirs, theirs_used, _ = _ran(DOIT, other, env)
        if number:  # the first pair warms caches
            rows.append((ours, theirs, ours / theirs, ours_used, theirs_used))
    after = _stamps(site)
    written = sum(before.get(path) != after.get(path) for path in {*before, *after})
    times = [f"{statistics.median(column):9.3f}" for column in zip(*rows, strict=True)]
    print(f"{told:10}", *times, f"{len(hub.seen):9} {written:8}", flush=True)


def _absent(root: Path, hub: Hub) -> None:
    """Two rows: what is locked and absent, and the same in another place with another store."""
    here = _locked(root, hub, ABSENT)
    there = _locked(root.parent / "else where", hub, ABSENT)
    store = root.parent / "another store"
    store.mkdir()
    there.manifest(store=str(store))
    (there.root / LOCK_FILE).write_bytes((here.root / LOCK_FILE).read_bytes())
    for site, folder in ((here, here.models / "loras"), (there, store / "loras")):
        hub.seen = []
        seconds, used, _ = _ran((*DOIT, "--locked"), site.root, site.environment())
        same = sum(
            sha256((folder / name).read_bytes()) == sha256(file_for(name))
            for name in _names(ABSENT)
        )
        kept = (there.root / LOCK_FILE).read_bytes() == (here.root / LOCK_FILE).read_bytes()
        searching = _searching(hub.seen)
        print(f"{folder.parent.name:16} {seconds:8.1f} {used:8.1f} {searching:8} "
              f"{len(hub.seen) - searching:8} {same:8} {kept!s:>6}", flush=True)  # fmt: skip


def _claimed(root: Path) -> None:
    """What a run says that is the first of a checkout whose store holds receipts of others."""
    root.mkdir()
    site = Site(root)
    entries = []
    for path in grow(site.models, GIB):
        folder, size, digest = path.parent.name, path.stat().st_size, sha256_of(path)
        entries.append(Entry(folder=folder, path=path.name, size=size, sha256=digest))
    _lock(site, entries)
    _sign(site)
    _, used, said = _ran((*DOIT, "--frozen"), site.root, site.environment())
    print(*(line for line in said.splitlines() if "GiB/s" in line), f"({used:.1f} s of processors)")


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as top, Hub() as hub:
        print(f"--frozen, {MODELS} models that are all there; seconds, median of {RUNS} runs")
        print(f"{'':10} {'comfyfix':>9} {'bare doit':>9} {'ratio':>9} {'processor':>9} "
              f"{'bare':>9} {'requests':>9} {'written':>8}")  # fmt: skip
        for told, extra in (("own", {}), ("signed", SIGNED)):
            _present(Path(top) / told, hub, extra, told)
        print(f"--locked, {ABSENT} models that are absent")
        print(f"{'store':16} {'seconds':>8} {'of cpus':>8} {'searches':>8} {'files':>8} "
              f"{'right':>8} {'lock':>6}")  # fmt: skip
        _absent(Path(top) / "absent", hub)
        print(f"First run of a checkout, {GIB} GiB with unsigned receipts of others:")
        _claimed(Path(top) / "claimed")
