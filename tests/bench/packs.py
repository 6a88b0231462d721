"""How long the packs of an installation take to read, cold and warm, against what that is made of.

Processor time is told, since a slow disk slows all of it. Without packs at hand
(`COMFYFIX_PACKS`), there is nothing to measure.
"""

from __future__ import annotations

import ast
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from comfyfix.comfyui.loaders.table import built_in, merged
from tests.conftest import SHARED
from tests.real import oracle as real

REPETITIONS = 3
_PEAK = """\
import re, sys
from pathlib import Path
from tests.real import oracle as real
peak = lambda: int(re.search("VmHWM: *(.*) kB", Path("/proc/self/status").read_text())[1])
before = peak()
real.read(Path(sys.argv[1]))
print(peak() - before)
"""


def main() -> None:
    """Print the table."""
    comfyui = real.laid_out()
    if comfyui is None:
        print("packs: COMFYFIX_PACKS names no ComfyUI with packs")
        return
    files = [path for path in comfyui.rglob("*.py") if path.is_file()]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache.json"
        real.read(comfyui, cache)
        columns: dict[str, list[float]] = {}
        for _ in range(REPETITIONS):
            for name, work in (
                ("parse every file", lambda: _parse(files)),
                ("read, cold", lambda: real.read(comfyui)),
                ("stat every file", lambda: _stat(files)),
                ("read, warm", lambda: real.read(comfyui, cache)),
            ):
                columns.setdefault(name, []).append(_timed(work))
    size = sum(path.stat().st_size for path in files) / 1e6
    number = sum(1 for _ in real.packs_of(comfyui)) - 1
    print(f"packs: {number}, {len(files)} files, {size:.0f} MB; median of {REPETITIONS}")
    bases = {"read, cold": "parse every file", "read, warm": "stat every file"}
    for name, seconds in columns.items():
        middle = statistics.median(seconds)
        ratio = middle / statistics.median(columns[bases.get(name, name)])
        print(f"  {name:18} {middle:7.3f} s  {ratio:5.2f} x  (most {max(seconds):.3f} s)")
    if sys.platform == "linux":
        command = [sys.executable, "-c", _PEAK, str(comfyui)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"  more memory, cold  {int(done.stdout) / 1024:7.1f} MB")
    _judge(comfyui)


def _judge(comfyui: Path) -> None:
    if not (SHARED / "oracle").is_dir():
        return
    rows = real.truth(SHARED / "oracle", real.packs_of(comfyui))
    facts, folders = real.read(comfyui)
    for name, loaders in (
        ("sources alone", facts.loaders),
        ("with the table", merged(facts.loaders, built_in())),
    ):
        told = real.judged(rows, loaders, folders)
        shares = ", ".join(f"{kind} {len(inputs)}" for kind, inputs in sorted(told.items()))
        print(f"  {name:18} {shares}; of {len(rows)}")


def _parse(files: list[Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            with contextlib.suppress(SyntaxError, ValueError):
                ast.parse(path.read_bytes())


def _stat(files: list[Path]) -> None:
    for path in files:
        os.stat(path)


def _timed(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
