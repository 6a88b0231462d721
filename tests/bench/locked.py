"""A frozen run with everything there against bare doit; a locked run of what is absent."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.manifest import LOCK_FILE
from tests.bench.idle import bare
from tests.rig import Site

MODELS, ABSENT, RUNS = 1000, 200, 5
DOIT = [sys.executable, "-m", "doit"]


def _locked(root: Path, hub: Hub, count: int) -> Site:
    """A project with so many models, all in its lock file, none there."""
    root.mkdir()
    site = Site(root, hub)
    names = [f"harbour_rope_{number:04d}.safetensors" for number in range(count)]
    commit = hub.add("harbour/ropes", names).commit
    site.workflow("w.json", *(("loras", name) for name in names))
    place = f"https://huggingface.co/harbour/ropes/resolve/{commit}"
    lock = Lock(site.root / LOCK_FILE).with_entries(
        Entry(
            folder="loras",
            path=name,
            source="huggingface",
            url=f"{place}/{name}",
            size=len(file_for(name)),
            sha256=sha256(file_for(name)),
        )
        for name in names
    )
    lock.path.write_text(lockfile.text(lock))
    return site


def _ran(site: Site, arguments: list[str], extra: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        [*DOIT, *arguments], cwd=site.root, env=site.environment(**extra), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - start


def _stamps(site: Site) -> dict[Path, int]:
    """Everything outside output/, with its times."""
    return {
        path: path.lstat().st_mtime_ns
        for path in site.root.rglob("*")
        if site.output not in (path, *path.parents)
    }


def _present(root: Path, hub: Hub, extra: dict[str, str], told: str) -> None:
    site, other = _locked(root, hub, MODELS), bare(root.parent / f"bare {told}", MODELS)
    for number in range(MODELS):
        site.put("loras", f"harbour_rope_{number:04d}.safetensors")
    _ran(site, ["--frozen"], extra)
    time.sleep(2.1)  # stamps younger than 2 s are not trusted, so the cache fills after them
    before, hub.seen = _stamps(site), []
    rows = []
    for number in range(RUNS + 1):
        ours = _ran(site, ["--frozen"], extra)
        start = time.perf_counter()
        subprocess.run(DOIT, cwd=other, env=site.environment(), capture_output=True, check=True)
        if number:  # the first pair warms caches
            rows.append((ours, time.perf_counter() - start))
    ours_, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(mine / bare for mine, bare in rows)
    written = sum(_stamps(site).get(path) != stamp for path, stamp in before.items())
    written += len(_stamps(site).keys() - before.keys())
    print(f"{told:16} {ours_:9.3f} {theirs:9.3f} {ratio:6.2f} {len(hub.seen):9} {written:8}")


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as top, Hub() as hub:
        print(f"--frozen, {MODELS} models that are all there; seconds, median of {RUNS} runs")
        print(
            f"{'receipts':16} {'comfyfix':>9} {'bare doit':>9} {'ratio':>6} {'requests':>9} written"
        )
        for told, extra in (("own", {}), ("signed", {"COMFYFIX_STORE_KEY": "k" * 40})):
            _present(Path(top) / told, hub, extra, told)
        site = _locked(Path(top) / "absent", hub, ABSENT)
        hub.seen = []
        seconds = _ran(site, ["--locked"], {})
        files = sum("/resolve/" in seen.path or "/cdn/" in seen.path for seen in hub.seen)
        print(f"--locked, {ABSENT} models that are absent: {seconds:.1f} s, "
              f"{len(hub.seen) - files} requests that search, {files} for files")  # fmt: skip
