"""The files of a directory that is taken as one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from comfyfix.disk.files import clean_text
from comfyfix.disk.held import Refused
from comfyfix.records import because
from comfyfix.why import Why

FILES_MAX = 10_000


def files_below(root: Path, *, exactly: bool = False) -> dict[str, os.stat_result]:
    """Every file below a directory, by its path there.

    Links to files are followed, and what is hidden is left out: no loader reads that. `exactly`:
    hidden files count, and no link does. Raises Refused for what is no file, leads to another
    directory, or has a name that is no text, and OSError.
    """
    found: dict[str, os.stat_result] = {}
    pending = [""]
    while pending:
        inside = pending.pop()
        with os.scandir(root / inside) as entries:
            for entry in entries:
                if entry.name.startswith(".") and not exactly:
                    continue
                path = f"{inside}/{entry.name}" if inside else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                    continue
                info = os.stat(entry.path, follow_symlinks=not exactly)
                if not stat.S_ISREG(info.st_mode) or path != clean_text(path):
                    raise Refused(because(Why.TIER_NO_FILE, path=entry.path))
                found[path] = info
                if len(found) > FILES_MAX:
                    raise Refused(because(Why.TIER_MANY_FILES, path=root, limit=FILES_MAX))
    return found
