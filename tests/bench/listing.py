"""`doit list` of a very large collection: time and memory, with and without a cache."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.rig import Site

WORKFLOWS = 10_000
MODELS_EACH = 2
RUNS = 3


def _listed(site: Site, *arguments: str) -> tuple[float, float, int]:
    """Seconds, MiB at the most, and lines of one `doit list`."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out:
        argv = [sys.executable, "-m", "doit", "list", *arguments]
        child = subprocess.Popen(argv, cwd=site.root, env=site.environment(), stdout=out)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        seconds = time.monotonic() - begun
        out.seek(0)
        return seconds, used.ru_maxrss / 1024, out.read().count(b"\n")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        for i in range(WORKFLOWS):
            names = (f"model_{i * MODELS_EACH + j:05d}.safetensors" for j in range(MODELS_EACH))
            site.workflow(f"{i % 100:02d}/w{i:05d}.json", *(("loras", name) for name in names))
        time.sleep(2.1)  # stamps younger than 2 s are not trusted, so the cache fills after them
        print(f"{WORKFLOWS} workflows, {WORKFLOWS * MODELS_EACH} models, all absent")
        print(f"{'command':24} {'s':>7} {'MiB':>6} {'lines':>7}")
        for name, arguments in (("doit list, no cache", ()), *(("doit list", ()),) * RUNS,
                                *(("doit list -q", ("-q",)),) * RUNS):  # fmt: skip
            seconds, memory, lines = _listed(site, *arguments)
            print(f"{name:24} {seconds:7.2f} {memory:6.0f} {lines:7}")
