"""Scripts against other downloaders over loopback, each with its hash and its way to the disk.

`COMFYFIX_BENCH_GIB` is the size of the one large file (2); on a limited line it is twice that.
Tools that are not installed are left out: aria2c, wget2, hf (huggingface_hub).
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comfyfix.records import Model, Record
from tests.bench.line import COMMIT, served
from tests.rig import put_script

MIB = 1 << 20
ROUNDS = 3
SMALL = 200
SMALL_BYTES = 100_000
EACH, LINE = 20.0, 200.0  # MB/s a connection, MB/s in all
FETCHERS = {  # FILE and URL are words of the shell; each is followed by hash and fdatasync
    "curl": "curl -sSfL -o FILE URL",
    "aria2c -x16": "aria2c -q -x16 -s16 -k1M --auto-file-renaming=false -d DIR -o NAME URL",
    "wget2": "wget2 -q -O FILE URL",
    "hf download": f"hf download a/b NAME --revision {COMMIT} --local-dir DIR --quiet",
}


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock, of processors, MiB of its largest process."""

    wall: float
    cpu: float
    memory: float


def cost(command: Sequence[str], env: Mapping[str, str], text: str = "") -> Cost:
    """Run a command to its end; it must succeed."""
    start = time.monotonic()
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdin is not None
        child.stdin.write(text)
        child.stdin.close()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"{command} ended with {child.returncode}"
    wall = time.monotonic() - start
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


class Bench:
    """Files to serve, scripts of ours and of others for them, and an empty store for each run."""

    def __init__(self, root: Path) -> None:
        self.source, self.store, self.scripts = root / "source", root / "store", root / "scripts"
        for folder in (self.source, self.store, self.scripts):
            folder.mkdir()

    def large(self, name: str, mebibytes: int) -> Path:
        """Make a file to serve."""
        path = self.source / name
        block = os.urandom(MIB)
        with path.open("wb") as out:
            for number in range(mebibytes):
                out.write(number.to_bytes(8, "big") + block[8:])
        return path

    def record(self, path: Path) -> Record:
        """What is known of a file."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Record(
            number=1,
            model=Model(folder="loras", path=path.name),
            destination=str(self.store / path.name),
            store=str(self.store),
            source="huggingface",
            where="a/b",
            url=f"https://huggingface.co/a/b/resolve/{COMMIT}/{path.name}",
            size=path.stat().st_size,
            sha256=digest,
        )

    def ours(self, path: Path) -> Path:
        """Our script for a file."""
        return put_script(self.scripts / f"ours_{path.name}.sh", self.record(path), reserve=0)

    def theirs(self, fetcher: str, path: Path, *, checked: bool = True) -> Path:
        """A script that calls another downloader, then hashes and waits for the disk."""
        target = self.store / path.name
        words = {
            "FILE": shlex.quote(str(target)),
            "URL": f'"$HF_ENDPOINT"/a/b/resolve/{COMMIT}/{path.name}',
            "DIR": shlex.quote(str(self.store)),
            "NAME": path.name,
        }
        command = " ".join(words.get(word, word) for word in FETCHERS[fetcher].split())
        lines = [command]
        if checked:
            lines += [f"openssl dgst -sha256 -r {words['FILE']}", f"sync -d {words['FILE']}"]
        name = f"{fetcher.split(maxsplit=1)[0]}_{checked}_{path.name}.sh"
        return self._script(name, "set -e\n" + "\n".join(lines) + "\n")

    def _script(self, name: str, text: str) -> Path:
        path = self.scripts / name
        path.write_text(text)
        return path

    def run(self, scripts: Sequence[Path], url: str, parallel: int = 1) -> Cost:
        """Run scripts, so many at a time, into an empty store."""
        shutil.rmtree(self.store)
        self.store.mkdir()
        os.sync()
        env = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1"}
        if len(scripts) == 1:
            return cost(["bash", str(scripts[0])], env)
        names = "\n".join(map(str, scripts))
        return cost(["xargs", "-P", str(parallel), "-n", "1", "bash"], env, names)


def rows(
    bench: Bench, kinds: Mapping[str, Sequence[Path]], url: str, *, rounds: int, parallel: int = 1
) -> dict[str, list[Cost]]:
    """Run every kind in turn, several times."""
    found: dict[str, list[Cost]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, scripts in kinds.items():
            found[name].append(bench.run(scripts, url, parallel))
    return found


def table(found: Mapping[str, list[Cost]], size: int, limit: float = 0) -> None:
    """Print medians; `limit` is the line in MB/s."""
    share = "of the line" if limit else ""
    print(f"  {'':14} {'s':>7} {'MB/s':>6} {'CPU s/GiB':>9} {'MiB':>5}{share:>12}")
    for name, costs in found.items():
        wall = statistics.median(cost.wall for cost in costs)
        cpu = statistics.median(cost.cpu for cost in costs) * (1 << 30) / size
        memory = max(cost.memory for cost in costs)
        rate = size / wall / 1e6
        share = f"{rate / limit:12.2f}" if limit else ""
        print(f"  {name:14} {wall:7.2f} {rate:6.0f} {cpu:9.2f} {memory:5.0f}{share}")


def _best(found: Mapping[str, list[Cost]]) -> str:
    ours = statistics.median(cost.wall for cost in found["comfyfix"])
    others = {
        name: statistics.median(cost.wall for cost in costs)
        for name, costs in found.items()
        if name != "comfyfix"
    }
    best = min(others, key=lambda name: others[name])
    return f"  {others[best] / ours:.2f} x the fastest of the others ({best})"


def _others() -> list[str]:
    missing = [name for name in FETCHERS if not shutil.which(name.split()[0])]
    if missing:
        print(f"  not installed, left out: {', '.join(missing)}")
    return [name for name in FETCHERS if name not in missing]


def main() -> None:
    """Print the tables."""
    mebibytes = int(float(os.environ.get("COMFYFIX_BENCH_GIB", "2")) * 1024)
    others = _others()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        path = bench.large("large.bin", mebibytes)
        print(
            f"no limit, one file of {mebibytes} MiB, hash and fdatasync included, {ROUNDS} rounds"
        )
        kinds = {"comfyfix": [bench.ours(path)]}
        kinds |= {name: [bench.theirs(name, path)] for name in others}
        with served(bench.source) as url:
            found = rows(bench, kinds, url, rounds=ROUNDS)
        table(found, path.stat().st_size)
        print(_best(found))
        path.unlink()
        _limited(bench, mebibytes * 2, others)
        _small(bench)


def _limited(bench: Bench, mebibytes: int, others: Sequence[str]) -> None:
    """A line on which the server limits each connection."""
    path = bench.large("limited.bin", mebibytes)
    kinds = {"comfyfix": [bench.ours(path)]}
    if "aria2c -x16" in others:
        kinds["aria2c -x16"] = [bench.theirs("aria2c -x16", path)]
    with served(bench.source, each=EACH, all_together=LINE) as url:
        print(f"{EACH:.0f} MB/s a connection, {LINE:.0f} MB/s in all, one file of {mebibytes} MiB")
        table(rows(bench, kinds, url, rounds=1), path.stat().st_size, LINE)
        path.unlink()
        six = [bench.large(f"limited{number}.bin", mebibytes // 4) for number in range(6)]
        print(f"the same line, six files of {mebibytes // 4} MiB, three at a time")
        found = rows(bench, {"comfyfix": [bench.ours(p) for p in six]}, url, rounds=1, parallel=3)
        table(found, sum(p.stat().st_size for p in six), LINE)
    for p in six:
        p.unlink()


def _small(bench: Bench) -> None:
    """Many small files: what counts is what a script costs to start."""
    files = []
    for number in range(SMALL):
        path = bench.source / f"small{number}.bin"
        path.write_bytes(os.urandom(SMALL_BYTES))
        files.append(path)
    kinds = {
        "plain curl": [bench.theirs("curl", path, checked=False) for path in files],
        "and hash, sync": [bench.theirs("curl", path) for path in files],
        "comfyfix": [bench.ours(path) for path in files],
    }
    print(f"{SMALL} small files; rates are those of comfyfix through theirs, 1 is as quick")
    print(
        f"{'ms/request':>10} {'at a time':>9} {'plain s':>8} {'ours s':>7} {'x plain':>8} "
        f"{'x with hash':>11} {'CPU ms/file':>12} {'plain':>6} {'load':>5}"
    )
    for latency in (0.0, 0.05):
        for parallel in (3, 6):
            with served(bench.source, latency=latency) as url:
                found = rows(bench, kinds, url, rounds=ROUNDS, parallel=parallel)
            _small_row(latency, parallel, found)


def _small_row(latency: float, parallel: int, found: Mapping[str, Sequence[Cost]]) -> None:
    """Print medians; the ratios are of runs that followed each other, as others use the machine."""
    plain, hashed, ours = found.values()

    def ratio(theirs: Sequence[Cost]) -> float:
        return statistics.median(t.wall / o.wall for t, o in zip(theirs, ours, strict=True))

    def each(costs: Sequence[Cost]) -> float:
        return statistics.median(cost.cpu for cost in costs) / SMALL * 1000

    walls = [statistics.median(cost.wall for cost in costs) for costs in (plain, ours)]
    print(
        f"{latency * 1000:10.0f} {parallel:9} {walls[0]:8.2f} {walls[1]:7.2f} {ratio(plain):8.2f} "
        f"{ratio(hashed):11.2f} {each(ours):12.1f} {each(plain):6.1f} {os.getloadavg()[0]:5.1f}",
        flush=True,
    )
