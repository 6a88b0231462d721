"""`doit` and `doit list` with nothing to do, against bare doit with tasks of the same shape."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import t
from tests.rig import Site

WORKFLOWS = 1000
RUNS = 7
BARE = '''\
"""As many trivial tasks of the same shape: three targets, an uptodate callable."""
import os
DOIT_CONFIG = {"backend": "json", "verbosity": 0, "reporter": "zero", "dep_file": "doit.json"}

def same(path, size, mtime):
    info = os.stat(path)
    return info.st_size == size and info.st_mtime_ns == mtime

def task_download():
    for i in range(%d):
        targets = [f"t/{i}.json", f"t/{i}.sh", f"t/{i}.bin"]
        info = os.stat(targets[2])
        yield {"name": str(i), "targets": targets, "actions": [(print, [i])],
               "uptodate": [(same, [targets[2], info.st_size, info.st_mtime_ns])]}
'''


def _complete(root: Path) -> Site:
    """A project with 1,000 workflows and 1,000 models that are all there and verified."""
    with Hub() as hub:
        site = Site(root, hub)
        for i in range(WORKFLOWS):
            name = f"model_{i:04d}.safetensors"
            hub.add(f"maker/m{i:04d}", [name])
            url = f"https://huggingface.co/maker/m{i:04d}/resolve/main/{name}"
            site.workflow(f"w{i:04d}.json", ("loras", name), urls={name: url})
        done = site.doit()
        assert done.returncode == 0, done.stdout[-2000:]
    assert t("Nothing to do") in site.doit().stdout
    return site


def bare(root: Path, count: int) -> Path:
    """A folder in which bare doit has so many tasks with nothing to do."""
    (root / "t").mkdir(parents=True)
    for i in range(count):
        for ending in ("json", "sh", "bin"):
            (root / "t" / f"{i}.{ending}").write_bytes(b"x" * 100)
    (root / "dodo.py").write_text(BARE % count)
    return root


def _seconds(command: Sequence[str], root: Path, env: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        site, other = _complete(Path(folder) / "ours"), bare(Path(folder) / "bare", WORKFLOWS)
        time.sleep(2.1)  # stamps younger than 2 s are not trusted, so the cache fills after them
        env = site.environment()
        doit = [sys.executable, "-m", "doit"]
        print(f"nothing to do: {WORKFLOWS} workflows, {WORKFLOWS} models; seconds, {RUNS} runs")
        print(
            f"{'command':12} {'comfyfix':>9} {'bare doit':>9} {'ratio':>6} {'least':>6} {'most':>6}"
        )
        for arguments in ([], ["list"]):
            rows = []
            for number in range(RUNS + 1):
                ours = _seconds([*doit, *arguments], site.root, env)
                theirs = _seconds([*doit, *arguments], other, env)
                if number:  # the first pair warms caches
                    rows.append((ours, theirs, ours / theirs))
            ours_, theirs_, ratios = zip(*rows, strict=True)
            print(
                f"{' '.join(['doit', *arguments]):12} {statistics.median(ours_):9.3f} "
                f"{statistics.median(theirs_):9.3f} {statistics.median(ratios):6.2f} "
                f"{min(ratios):6.2f} {max(ratios):6.2f}"
            )
