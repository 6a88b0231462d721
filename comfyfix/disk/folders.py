"""Folders that are opened step by step, so that no link on the way leads elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def opened(root: int | str, steps: Sequence[str] = (), *, make: bool = False) -> Iterator[int]:
    """Open a folder below another, and close it at the end. `make`: those that are not there.

    Only the root itself may be a link. Raises OSError.
    """
    at = os.dup(root) if isinstance(root, int) else os.open(root, _FOLDER)
    try:
        for step in steps:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(step, dir_fd=at)
            below = os.open(step, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def stat_of(folder: int, name: str) -> os.stat_result | None:
    """What stands under a name in an open folder, no link followed; None for nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
