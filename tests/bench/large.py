"""Large collections: time and memory of `doit` and `doit list`, and how both grow.

Each figure stands beside that of bare doit with as many tasks. "after a change" is a command that
has to look at everything again, since one workflow was saved anew; "kept" one that need not. That
workflow says what it said before, so the report stays: one that changes is made anew, which
takes longer than all else.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from comfyfix.screen.words import t
from tests.bench import fetched
from tests.bench.idle import bare
from tests.rig import Site

SIZES = (5_000, 10_000, 20_000)
EACH = 2
RUNS = 3
SETTLE_SECONDS = 2.1
"""Stamps that are younger than two seconds are not trusted."""


# The system's own count of a child's memory has that of its parent in it until it began.
_PEAK = """
import atexit, re, runpy, sys
def tell():
    print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
atexit.register(tell)
runpy.run_module("doit", run_name="__main__", alter_sys=True)
"""


def seconds(root: Path, env: dict[str, str], *arguments: str) -> float:
    """What one command of doit takes; it must succeed."""
    begun = time.monotonic()
    argv = [sys.executable, "-m", "doit", *arguments]
    subprocess.run(argv, cwd=root, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def memory(root: Path, env: dict[str, str], *arguments: str) -> float:
    """MiB that one command of doit has at the most."""
    argv = [sys.executable, "-c", _PEAK, *arguments]
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1]) / 1024


def main() -> None:
    """Print the table."""
    heading = f"{'models':>7} {'command':10} {'':15} {'s':>6} {'bare':>6} {'ratio':>6}"
    print(f"all fetched, {EACH} models a workflow; medians of {RUNS} runs, each beside bare doit's")
    print('us/model tells how each grows; "after a change" leaves the report as it was')
    print(f"{heading} {'MiB':>5} {'bare':>5} {'us/model':>9}")
    for size in SIZES:
        with _laid_out(size) as (site, other):
            for name, before in (("after a change", _touch), ("kept", _settle)):
                for arguments in ([], ["list"]):
                    _row(site, other, size, arguments, name, before)


def _row(
    site: Site, other: Path, size: int, arguments: Sequence[str], name: str,
    before: Callable[[Site], object],
) -> None:  # fmt: skip
    env, rows = site.environment(), []
    for _ in range(RUNS):
        before(site)
        rows.append((seconds(site.root, env, *arguments), seconds(other, env, *arguments)))
    rows.sort(key=lambda pair: pair[0] / pair[1])
    before(site)
    peaks = memory(site.root, env, *arguments), memory(other, env, *arguments)
    ours, theirs = rows[RUNS // 2]
    print(
        f"{size:7} {' '.join(['doit', *arguments]):10} {name:15} {ours:6.2f} {theirs:6.2f} "
        f"{ours / theirs:6.2f} {peaks[0]:5.0f} {peaks[1]:5.0f} {ours / size * 1e6:9.0f}",
        flush=True,
    )


def _settle(site: Site) -> None:
    """See that the answer is kept."""
    kept = site.output / ".cache" / "kept.json"
    if not (kept.exists() and (site.root / "settled").exists()):
        time.sleep(SETTLE_SECONDS)
        site.doit()
        (site.root / "settled").touch()


def _touch(site: Site) -> None:
    site.workflow("new.json", ("loras", "model_00000.safetensors"))


@contextmanager
def _laid_out(size: int) -> Iterator[tuple[Site, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        site = fetched.lay_out(Path(folder) / "ours", size, each=EACH)
        other = bare(Path(folder) / "bare", size)
        time.sleep(SETTLE_SECONDS)
        assert t("Nothing to do") in site.doit().stdout
        yield site, other
