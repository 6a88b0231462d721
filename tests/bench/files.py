"""Files that a line serves, and the lock file that names them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from comfyfix.demo.content import file_for
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.settings.overrides import LOCK_FILE
from tests.bench.line import COMMIT


def locked_files(folder: Path, names: Sequence[str], size: int) -> Lock:
    """Make files to be served; returns the lock that names them all."""
    entries = []
    for name in names:
        data = file_for(name, size=size)
        (folder / name).write_bytes(data)
        url = f"https://huggingface.co/harbour/cranes/resolve/{COMMIT}/{name}"
        digest = hashlib.sha256(data).hexdigest()
        entries.append(Entry(folder="loras", path=name, url=url, size=len(data), sha256=digest))
    return Lock(folder / LOCK_FILE).with_entries(entries)
