"""Large collections: time and memory of `doit` and `doit list`, and how both grow.

Each figure stands beside that of bare doit with as many tasks. It is the time of processors, which
a busy machine stretches less than the clock's. "kept" is a command that need not look at anything
again. "saved anew" is one after a workflow was saved with what it said before; "changed" one after
a workflow was added to the report, or has changed in it: then a report differs that names all.
"""

from __future__ import annotations

import os
import statistics
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

SHAPES = (
    (1_000, 2, 500), (5_000, 2, 2_500), (20_000, 2, 10_000),
    (2_000, 20, 100), (2_000, 20, 1_000), (2_000, 20, 10_000),
)  # fmt: skip
"""Models, models that a workflow names, workflows."""
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
    """Seconds of processors that one command of doit takes; it must succeed."""
    argv = [sys.executable, "-m", "doit", *arguments]
    child = subprocess.Popen(argv, cwd=root, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_utime + used.ru_stime


def memory(root: Path, env: dict[str, str], *arguments: str) -> float:
    """MiB that one command of doit has at the most."""
    argv = [sys.executable, "-c", _PEAK, *arguments]
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1]) / 1024


def main() -> None:
    """Print the table."""
    print(
        f"all fetched; medians of {RUNS} runs, each beside bare doit's with a task for each model"
    )
    print("s: seconds of processors; us/model tells how each grows")
    heading = f"{'models':>7} {'workflows':>9} {'command':10} {'':11} {'s':>6} {'bare':>6}"
    print(f"{heading} {'ratio':>6} {'MiB':>5} {'bare':>5} {'us/model':>9}")
    for models, each, workflows in SHAPES:
        with _laid_out(models, each, workflows) as (site, other):
            for name, before in (("saved anew", _touch), ("changed", _change), ("kept", _settle)):
                for arguments in ([], ["list"]):
                    shape = f"{models:7} {workflows:9} {' '.join(['doit', *arguments]):10}"
                    _row(site, other, models, arguments, f"{shape} {name:11}", before)
    print(f"load: {', '.join(f'{each:.1f}' for each in os.getloadavg())}")


def _row(
    site: Site, other: Path, size: int, arguments: Sequence[str], told: str,
    before: Callable[[Site], object],
) -> None:  # fmt: skip
    env, rows = site.environment(), []
    for _ in range(RUNS):
        before(site)
        rows.append((seconds(site.root, env, *arguments), seconds(other, env, *arguments)))
    before(site)
    peaks = memory(site.root, env, *arguments), memory(other, env, *arguments)
    ours, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(one / another for one, another in rows)
    print(
        f"{told} {ours:6.2f} {theirs:6.2f} "
        f"{ratio:6.2f} {peaks[0]:5.0f} {peaks[1]:5.0f} {ours / size * 1e6:9.0f}",
        flush=True,
    )


def _settle(site: Site) -> None:
    """See that the answer is kept."""
    kept = site.output / ".cache" / "kept.json"
    if not (kept.exists() and (site.root / "settled").exists()):
        for _ in range(2):  # the first may write a report, which the second finds settled
            time.sleep(SETTLE_SECONDS)
            site.doit()
        (site.root / "settled").touch()


def _touch(site: Site) -> None:
    site.workflow("new.json", ("loras", "model_00000.safetensors"))


def _change(site: Site) -> None:
    number = len(list(site.workflows.glob("more*.json")))
    site.workflow(f"more{number}.json", ("loras", f"model_{number:05d}.safetensors"))


@contextmanager
def _laid_out(models: int, each: int, workflows: int) -> Iterator[tuple[Site, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        site = fetched.lay_out(Path(folder) / "ours", models, each=each, workflows=workflows)
        other = bare(Path(folder) / "bare", models)
        _touch(site)
        time.sleep(SETTLE_SECONDS)
        for _ in range(2):  # the second finds the records in their cache
            assert t("Nothing to do") in site.doit().stdout
        yield site, other
