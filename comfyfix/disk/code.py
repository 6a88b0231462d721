"""The state of our own code: what it has worked out counts until it changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

_ALL = str(Path(__file__).resolve().parents[1])


def stamp_of_code(package: ModuleType | None = None) -> str:
    """Tell apart two states of a package's files, its tables and inner packages included.

    Without one it is all of comfyfix.
    """
    times = sorted(_times(package.__path__[0] if package else _ALL))
    return f"{len(times)}-{times[-1]}"


def _times(folder: str) -> Iterator[int]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield entry.stat().st_mtime_ns
            elif entry.name != "__pycache__":
                yield from _times(entry.path)
