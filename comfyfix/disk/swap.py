"""Two names change places in one step, or one gets a place where nothing is: what Python lacks.

Linux's `renameat2`; where the system or the filesystem has none, it is refused (ENOSYS, EINVAL).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path

_NOREPLACE, _EXCHANGE = 1, 2
"""Flags of renameat2 (linux/fs.h)."""
_CANT = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def exchange(folder: int, name: str, other_folder: int, other: str) -> None:
    """Let two names change places: whoever opens either finds one of the two. Raises OSError."""
    _rename(folder, name, other_folder, other, _EXCHANGE)


def move(folder: int, name: str, other_folder: int, other: str) -> None:
    """Give a file or a directory another place, never over anything. Raises OSError."""
    _rename(folder, name, other_folder, other, _NOREPLACE)


def move_path(path: Path, target: Path) -> None:
    """Give a file or a directory another place, also where the system lacks the means.

    Never over anything, but for an empty folder in the place of a directory, and there only where
    it lacks them. Raises OSError.
    """
    with contextlib.ExitStack() as stack:
        folders = []
        for folder in (path.parent, target.parent):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, handle)
            folders.append(handle)
        try:
            move(folders[0], path.name, folders[1], target.name)
        except OSError as error:
            if error.errno not in _CANT:
                raise
            _move_plainly(path, target)


def _move_plainly(path: Path, target: Path) -> None:
    if path.is_dir():
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        path.rename(target)
        return
    try:
        os.link(path, target)  # unlike a rename this never replaces what has come a moment ago
    except FileExistsError:
        raise
    except OSError:  # a filesystem without hard links
        if os.path.lexists(target):
            raise
        path.rename(target)
    else:
        path.unlink()


def _rename(folder: int, name: str, other_folder: int, other: str, how: int) -> None:
    call = _renameat2()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    if call(folder, os.fsencode(name), other_folder, os.fsencode(other), how) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call.restype = ctypes.c_int
    return call  # type: ignore[no-any-return]
