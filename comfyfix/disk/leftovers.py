"""What a download script that was killed leaves beside its model, and whose it is.

A script names what it makes `NAME.KIND.OWNER.part` and `.have`, `.NAME.OWNER.work` and
`.NAME.lock`; its owner is `WHERE.PID`. Only such names count, to the letter: all else in a model
folder is the user's own. Whether an owner still lives is for `templates/script/clear.sh` to tell.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Container
from pathlib import Path

_OWNER = r"(?P<where>[A-Za-z0-9]+)\.[0-9]+"
_FILE = re.compile(rf"(?P<name>.+)\.(?:[0-9a-f]{{8}}|nohash)\.{_OWNER}\.(?:part|have)")
_NOTES = re.compile(rf"\.(?P<name>.+)\.{_OWNER}\.work")
_BROKEN = re.compile(rf"\.(?P<name>.+)\.lock\.{_OWNER}")
_LOCK = re.compile(r"\.(?P<name>.+)\.lock")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")


@functools.cache
def where() -> str:
    """How scripts name this boot of this machine, or this container, in what they make."""
    boot, space = os.environ.get("HOSTNAME") or os.uname().nodename, ""
    with contextlib.suppress(OSError):
        boot = _BOOT.read_text(encoding="ascii")
    with contextlib.suppress(OSError):
        space = str(_PROCESSES.readlink())
    return re.sub(r"[^A-Za-z0-9]", "", boot[:8] + re.sub(r"[^0-9]", "", space)) or "here"


def beside(folder: str, names: Container[str]) -> list[str]:
    """Those of `names`, files of a folder, beside which lies what a script of this machine made.

    It may be dead or at work. A folder that can't be read holds nothing.
    """
    try:
        listed = os.listdir(folder)  # on the path of every run, Path costs more
    except OSError:
        return []
    # Cheap for a folder of many files: nearly all of them end in something else.
    likely = [n for n in listed if n.endswith((".part", ".have", ".work")) or ".lock" in n]
    found = (_left_beside(folder, entry) for entry in likely)
    return sorted({name for name in found if name in names})


def _left_beside(folder: str, entry: str) -> str:
    """The name of the file that an entry belongs to; empty if no script of this machine made it."""
    path = f"{folder}/{entry}"
    is_folder = os.path.isdir(path) and not os.path.islink(path)
    if is_folder:
        match = _NOTES.fullmatch(entry)
    else:
        match = _FILE.fullmatch(entry) or _BROKEN.fullmatch(entry)
    if match:
        return match["name"] if match["where"] == where() else ""
    lock = _LOCK.fullmatch(entry)
    try:
        held = lock and re.fullmatch(_OWNER, os.readlink(path))
    except OSError:  # no link, so no lock
        return ""
    return lock["name"] if lock and held and held["where"] == where() else ""
