"""How long a scan takes: all official templates, against reading them as bare JSON."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.stages.needs.scan import scan

REPETITIONS = 5


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        files = _templates(Path(folder) / "workflows")
        cache = Path(folder) / "cache.json"
        scan(files, cache)
        columns: dict[str, list[float]] = {}
        for _ in range(REPETITIONS):
            for name, work in (
                ("json.loads of the same bytes", lambda: _plain(files)),
                ("full scan", lambda: scan(files)),
                ("second scan, nothing changed", lambda: scan(files, cache)),
            ):
                columns.setdefault(name, []).append(_timed(work))
    base = statistics.median(next(iter(columns.values())))
    print(f"scan: {len(files)} official templates, median of {REPETITIONS}, side by side")
    for name, seconds in columns.items():
        middle = statistics.median(seconds)
        print(f"  {name:30} {middle:7.3f} s  {middle / base:5.2f} x  (most {max(seconds):.3f} s)")


def _templates(folder: Path) -> list[tuple[str, str]]:
    package = resources.files("comfyui_workflow_templates_json").joinpath("templates")
    folder.mkdir()
    for entry in package.iterdir():
        if entry.name.endswith(".json"):
            (folder / entry.name).write_bytes(entry.read_bytes())
    time.sleep(2.2)  # a file that is fresher than this is never taken from the cache
    return workflow_files.find([str(folder)])


def _plain(files: list[tuple[str, str]]) -> None:
    for path, _ in files:
        json.loads(Path(path).read_bytes())


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
