"""Temporary files of `write_atomic`: their names, and what of them a killed process has left.

One is called `.NAME.OWNER.RANDOM.tmp`, and its owner as that of a script (`lease/owner.py`). Only
such names count, to the letter: all else is the user's own.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

from comfyfix.disk import looked
from comfyfix.disk.lease.leftovers import DAY
from comfyfix.disk.lease.owner import PATTERN, is_dead, me

NAME_BYTES = 60  # enough for people to see whose it is; the whole has to fit into 255
_OURS = re.compile(rf"\..+\.{PATTERN}\.[a-z0-9_]{{8}}\.tmp")


def make(path: Path) -> tuple[int, str]:
    """Make a new file beside `path`; return its open handle and its name. Raises OSError."""
    name = os.fsencode(path.name)[:NAME_BYTES].decode("utf-8", "ignore")
    return tempfile.mkstemp(prefix=f".{name}.{me()}.", suffix=".tmp", dir=path.parent)


def clear(folder: Path | str) -> None:
    """Remove from a folder of ours what dead processes of this machine have left there.

    Of another machine or container nobody can tell whether it lives. No write takes a day, so what
    is older is left over, whoever it was.
    """
    with contextlib.suppress(OSError):
        looked.at(folder)
        for entry in os.listdir(folder):  # on the path of every run
            if entry.endswith(".tmp") and (match := _OURS.fullmatch(entry)):
                path = f"{folder}/{entry}"
                looked.unsure()  # whose it is may end at any time
                with contextlib.suppress(OSError):
                    if is_dead(match["owner"]) or os.lstat(path).st_mtime < time.time() - DAY:
                        os.unlink(path)
