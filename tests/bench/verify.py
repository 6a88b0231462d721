"""Hashing a whole store with `doit verify --store`, beside openssl on as many processors.

COMFYFIX_BENCH_GIB sets the size of the store (10); COMFYFIX_BENCH_DIR where it is made for the
time of the run (default: the folder for temporary files).
"""

from __future__ import annotations

import json
import os
import re
import statistics
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from comfyfix.demo.content import file_for, weights
from comfyfix.state.hashing import cores
from tests.rig import PROGRAM, Site

GIB = 1 << 30
SMALL = 50
ROUNDS = 3
GOAL = 0.9
WATCH_SECONDS = 0.05


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, seconds of all processors, and bytes of memory at the most."""

    clock: float
    processor: float
    memory: int


def grow(models: Path, gib: int) -> list[Path]:
    """Make files of 1 GiB of weights and some small ones; the weights of all are alike."""
    block = weights("block", 1 << 20)
    header = {"weight": {"dtype": "U8", "shape": [GIB], "data_offsets": [0, GIB]}}
    text = json.dumps(header).encode()
    made = []
    for number in range(gib):
        path = models / "checkpoints" / f"large_{number:02d}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for _ in range(GIB // len(block)):
                out.write(block)
        made.append(path)
    for number in range(SMALL):
        path = models / "loras" / f"small_{number:02d}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_for(path.name, size=200_000))
        made.append(path)
    return made


def measure(argv: list[str], site: Site, given: bytes = b"") -> Took:
    """Run a program to its end; the time of its children counts, their memory does not."""
    start = time.perf_counter()
    child = subprocess.Popen(
        argv,
        cwd=site.root,
        env=site.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert child.stdin
    child.stdin.write(given)
    child.stdin.close()
    memory: list[int] = [0]
    watch = threading.Thread(target=_watch, args=(child.pid, memory), daemon=True)
    watch.start()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    clock = time.perf_counter() - start
    watch.join()
    assert child.returncode == 0, argv
    return Took(clock, used.ru_utime + used.ru_stime, memory[0])


def _watch(pid: int, memory: list[int]) -> None:
    """Keep the most memory that a process has had, as the kernel counts it, until it ends."""
    # Not ru_maxrss: that begins with what the parent had.
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        told = re.search(r"VmHWM:\s+(\d+) kB", status)
        if told is None:
            return  # it has ended, and nobody has asked for its status yet
        memory[0] = max(memory[0], int(told.group(1)) * 1024)
        time.sleep(WATCH_SECONDS)


def main() -> None:
    """Print the table."""
    gib = int(os.environ.get("COMFYFIX_BENCH_GIB", "10"))
    place = os.environ.get("COMFYFIX_BENCH_DIR")
    with tempfile.TemporaryDirectory(prefix="comfyfix-bench-", dir=place) as folder:
        site = Site(Path(folder))
        paths = grow(site.models, gib)
        size = sum(path.stat().st_size for path in paths)
        names = b"".join(bytes(path) + b"\0" for path in paths)
        openssl = ["xargs", "-0", "-n", "1", "-P", str(cores()), "openssl", "dgst", "-sha256"]
        ours = [*PROGRAM, "verify", "--store", "--anew"]
        for argv, given in ((ours, b""), (openssl, names)):
            measure(argv, site, given)  # the first round brings the files into memory
        rows = [(measure(ours, site), measure(openssl, site, names)) for _ in range(ROUNDS)]
        again = measure([*PROGRAM, "verify", "--store"], site)
        _table(rows, size / GIB, len(paths), again)


def _table(rows: list[tuple[Took, Took]], gib: float, files: int, again: Took) -> None:
    median = statistics.median
    print(f"a store of {gib:.1f} GiB in {files} files, {cores()} processors; median of {ROUNDS}")
    for number, name in ((0, "doit verify --store --anew"), (1, "xargs -P openssl dgst")):
        clock = median(row[number].clock for row in rows)
        processor = median(row[number].processor for row in rows)
        print(f"  {name:28} {clock:6.2f} s  {gib / clock:5.2f} GiB/s  "
              f"{processor / gib:.2f} processor s/GiB")  # fmt: skip
    memory = max(own.memory for own, _ in rows) / (1 << 20)
    print(f"  its memory at most           {memory:6.0f} MiB")
    ratio = median(theirs.clock / own.clock for own, theirs in rows)
    print(f"  speed beside openssl         {ratio:6.2f}    (goal: {GOAL} or more)")
    print(f"  once more, nothing changed   {again.clock:6.2f} s")
