"""doit's own memory: whatever becomes of its file, no command ends because of it.

What it holds can be found out again. doit makes the class itself, from a name and before a dodo is
read, so two of its methods are put in place of doit's.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec
from doit.dependency import JsonDB

from comfyfix.disk import regular
from comfyfix.disk.files import write_atomic


def install() -> None:
    """Let doit read its file leniently and write it whole or not at all."""
    JsonDB._load = _load
    JsonDB.dump = _dump


def _load(self: Any) -> dict[str, dict[str, Any]]:
    try:
        return msgspec.json.decode(regular.read(self.name), type=dict[str, dict[str, Any]])
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}


def _dump(self: Any) -> None:
    with contextlib.suppress(OSError):
        write_atomic(Path(self.name), self.codec.encode(self._db).encode())
