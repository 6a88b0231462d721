"""Two names change places in one step, or one gets a place where nothing is: what Python lacks.

Linux's `renameat2`; where the system or the filesystem has none, it is refused (ENOSYS, EINVAL).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable

_NOREPLACE, _EXCHANGE = 1, 2
"""Flags of renameat2 (linux/fs.h)."""


def exchange(folder: int, name: str, other_folder: int, other: str) -> None:
    """Let two names change places: whoever opens either finds one of the two. Raises OSError."""
    _rename(folder, name, other_folder, other, _EXCHANGE)


def move(folder: int, name: str, other_folder: int, other: str) -> None:
    """Give a file or a directory another place, never over anything. Raises OSError."""
    _rename(folder, name, other_folder, other, _NOREPLACE)


def _rename(folder: int, name: str, other_folder: int, other: str, how: int) -> None:
    call = _renameat2()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    if call(folder, os.fsencode(name), other_folder, os.fsencode(other), how) != 0:
        told = ctypes.get_errno()
        raise OSError(told, os.strerror(told), name)


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call.restype = ctypes.c_int
    return call  # type: ignore[no-any-return]
