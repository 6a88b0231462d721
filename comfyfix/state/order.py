"""What stands in output/ in the place of a file or folder of ours is put aside before it is used.

A folder, a pipe or a link to nowhere under the name of a state file can be neither read nor
written. All that ours hold can be found out again: it becomes NAME.damaged, and the run goes on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from comfyfix.disk.files import quarantine, regular_stat
from comfyfix.records import Reason, because
from comfyfix.state.layout import Layout
from comfyfix.why import Why


def set_right(layout: Layout) -> list[Reason]:
    """Put aside what is not of the kind that we need, for a command that writes; tell of each.

    What can't be moved stays, and is told by whoever stumbles over it.
    """
    return _all_aside(layout.folders, layout.files, layout.locks)


def set_caches_right(layout: Layout) -> list[Reason]:
    """Do so for what every command may write."""
    return _all_aside(
        (layout.caches, layout.brought, layout.searches), layout.cached, (layout.hashes_lock,)
    )


def _all_aside(
    folders: Iterable[Path], files: Iterable[Path], locks: Iterable[Path]
) -> list[Reason]:
    reasons = [_aside(path, os.path.isdir, Why.ASIDE_NOT_FOLDER) for path in folders]
    reasons += [_aside(path, regular_stat, Why.ASIDE_NOT_FILE) for path in files]
    # A lock is opened without following links: whoever places one would choose what we create.
    reasons += [_aside(path, _is_file_itself, Why.ASIDE_NOT_FILE) for path in locks]
    return [reason for reason in reasons if reason]


def _aside(path: Path, fits: Callable[[Path], object], why: Why) -> Reason | None:
    if fits(path) or not os.path.lexists(path):
        return None
    try:
        moved = quarantine(path, "damaged")
    except OSError:
        return None
    return because(why, path=path, aside=moved.name)


def _is_file_itself(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
