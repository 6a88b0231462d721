"""What stands in output/ in the place of a file or folder of ours is put aside before it is used.

A folder, a pipe or a link to nowhere under the name of a state file can be neither read nor
written. All that ours hold can be found out again: it becomes NAME.damaged, and the run goes on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from comfyfix.disk.files import quarantine, regular_stat
from comfyfix.state.layout import Layout


def set_right(layout: Layout) -> list[str]:
    """Put aside what is not of the kind that we need; a line for people on each.

    What can't be moved stays, and is told by whoever stumbles over it.
    """
    told = [_aside(path, os.path.isdir, "a folder") for path in layout.folders]
    told += [_aside(path, regular_stat, "a file") for path in layout.files]
    # A lock is opened without following links: whoever places one would choose what we create.
    told += [_aside(path, _is_file_itself, "a file") for path in layout.locks]
    return [line for line in told if line]


def _aside(path: Path, fits: Callable[[Path], object], wanted: str) -> str:
    if fits(path) or not os.path.lexists(path):
        return ""
    try:
        moved = quarantine(path, "damaged")
    except OSError:
        return ""
    return f"{path} was not {wanted}; it lies in {moved.name} now"


def _is_file_itself(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
