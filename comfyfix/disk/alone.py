"""The right to change what lies in a store: one process at a time, while it has its folder open."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from comfyfix.disk import folders

_OWN = ".comfyfix"


class Busy(OSError):
    """Another process changes the store, or its filesystem has no locks of folders."""


@contextlib.contextmanager
def opened(store: Path) -> Iterator[int]:
    """Open the folder of a store for this process alone. Raises OSError, Busy among others."""
    with (
        folders.opened(os.path.realpath(store)) as root,
        folders.opened(root, [_OWN], make=True) as own,
    ):
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(error.errno, os.strerror(error.errno or 0), _OWN) from None
        yield root
