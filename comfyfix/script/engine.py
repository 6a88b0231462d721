"""The engine: what every download script calls, one text for all of them.

It lies beside the scripts as `engine/ID.sh`, its ID made from what it holds. So a script has the
engine that it was made for, today and in a year, and a mended one is another file.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shlex
import stat
import threading
from pathlib import Path

from comfyfix import templates
from comfyfix.disk import regular
from comfyfix.disk.files import quarantine, write_atomic
from comfyfix.version import __version__

FOLDER = "engine"
_PARTS = (
    "begin", "start", "identity", "state", "words", "ending", "request", "hash", "inside",
    # All that a small file needs stands above this, mostly: the rest is then not even looked at.
    "at_once",
    "verdict", "room", "place", "children", "lease", "leftovers", "adopt", "answer", "ranges",
    "connections", "follow", "pieces", "hub", "tries", "transfer", "mirror", "directory", "main",
)  # fmt: skip
_CLEARING = ("begin", "identity", "words", "children", "lease", "leftovers", "clear")
_HEADING = """\
# shellcheck shell=bash disable=SC2153
# What the download scripts of comfyfix call: how a file is fetched, and checked. Scripts name this
# file by its content, so never change it.

"""
_writing = threading.Lock()


@functools.cache
def text() -> str:
    """Return the engine."""
    return f"{_HEADING}AGENT={shlex.quote(f'comfyfix/{__version__}')}\n{_joined(_PARTS)}"


@functools.cache
def name() -> str:
    """Where it lies, as seen from the scripts."""
    return f"{FOLDER}/{hashlib.sha256(text().encode()).hexdigest()[:16]}.sh"


def clearing() -> str:
    """Return the program that removes what dead scripts have left: `bash -c` with its arguments.

    Not a mode of the scripts: those of an earlier version don't know it, and some may be lost.
    """
    return _joined(_CLEARING)


def put(scripts: Path) -> Path | None:
    """See that the engine lies beside the scripts of a folder, and holds what it must.

    What has its name and is not it (other content, a link, a pipe …) is put aside, and where it
    lies then is returned: it would be run with the user's tokens. Raises OSError.
    """
    path, data = scripts / name(), text().encode()
    with _writing:
        if _holds(path, data):
            return None
        aside = quarantine(path, "damaged") if os.path.lexists(path) else None
        write_atomic(path, data)
        return aside


def _holds(path: Path, data: bytes) -> bool:
    try:
        # A link could lead elsewhere by the time that the engine is run.
        return stat.S_ISREG(os.lstat(path).st_mode) and regular.read(path, len(data)) == data
    except OSError:
        return False


def _joined(parts: tuple[str, ...]) -> str:
    return "\n".join(templates.text(f"script/{part}.sh") for part in parts)
