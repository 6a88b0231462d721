"""The store's index against a bare walk of the same tree, side by side."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from comfyfix.comfyui.store.index import StoreIndex

FILES, FOLDERS = 100_000, 200
RUNS = 9


def _walk(folder: str) -> int:
    """Count the files below a folder, by os.scandir alone."""
    count = 0
    for entry in os.scandir(folder):
        if entry.is_dir():
            count += _walk(entry.path)
        else:
            count += 1
    return count


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def grow(root: Path) -> None:
    """Make an example store: empty files, since names are all that is read."""
    for number in range(FOLDERS):
        folder = root / f"folder_{number % 20:02d}" / f"sub_{number:03d}"
        folder.mkdir(parents=True)
        for file in range(FILES // FOLDERS):
            (folder / f"some-model_{number:03d}_{file:03d}-fp16.safetensors").touch()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        grow(Path(folder))
        rows = []
        for number in range(RUNS + 1):
            bare = _seconds(lambda: _walk(folder))
            index = StoreIndex([Path(folder)])
            ours = _seconds(lambda: index.named("some-model_000_000-fp16.safetensors"))  # noqa: B023 - called at once
            letters = _seconds(lambda: index.one_letter_off("some-model.pt"))  # noqa: B023 - the same
            sizes = _seconds(lambda: index.of_size(1))  # noqa: B023 - the same
            if number:  # the first round warms caches
                rows.append((bare, ours, ours / bare, letters, sizes))
        bare_, ours_, ratio, letters_, sizes_ = (
            statistics.median(column) for column in zip(*rows, strict=True)
        )
        print(f"a store of {FILES} files in {FOLDERS} folders; median of {RUNS} runs")
        print(f"  bare os.scandir walk            {bare_:7.3f} s")
        print(f"  index, names and stems          {ours_:7.3f} s   ratio {ratio:.2f}")
        print(f"  the same, one letter off        {letters_:7.3f} s more")
        print(f"  the same, sizes                 {sizes_:7.3f} s more")
