"""What the live progress costs: 32 models at work, drawn as often as on a terminal."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from rich.console import Console as Screen

from comfyfix.screen.run.bars import DRAWS_PER_SECOND
from comfyfix.screen.run.live import LiveConsole

MODELS = 32
SECONDS = 10.0


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        screen = Screen(file=nowhere, force_terminal=True, width=120, height=50)
        console = LiveConsole(Path(folder) / "run.log", screen)
        paths = [Path(folder) / f"model_{i:02d}.safetensors" for i in range(MODELS)]
        for i, path in enumerate(paths):
            path.with_name(f"{path.name}.cafe.1.part").write_bytes(b"x" * (1000 * i))
            console.phase(str(path), path.name, "downloading", size=50_000, path=path)
        console.begin(MODELS)
        start, used = time.perf_counter(), time.process_time()
        time.sleep(SECONDS)
        wall, used = time.perf_counter() - start, time.process_time() - used
        console.end()
    print(f"live progress: {MODELS} downloads, {DRAWS_PER_SECOND} draws a second, {wall:.0f} s")
    print(f"  {used:.2f} s of processor time, {used / wall:.1%} of one core")
