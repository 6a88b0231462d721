"""Is a file open for writing? Linux tells it to whoever asks for a lease of the file for reading.

While such a lease is held whoever opens the file for writing, or cuts it, waits until it is given
back (`/proc/sys/fs/lease-break-time`, 45 s), and we can see that somebody waits. Where there are no
such leases (other systems, network filesystems, files of other users) only what processes of this
user have open can be seen, and that where there is a /proc.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from typing import Literal

Held = Literal["kept", "unknown", "written"]


@contextlib.contextmanager
def kept_from(handle: int) -> Iterator[Held]:
    """Keep an open file from being written to: `written` where somebody has it open for that.

    `unknown`: none is seen, and nobody is kept from it.
    """
    held = _lease(handle)
    try:
        yield held
    finally:
        if held == "kept":
            with contextlib.suppress(OSError):
                fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def wanted(handle: int, held: Held) -> bool:
    """Tell whether somebody writes by now, or waits for our lease to do so."""
    if held == "kept":
        return bool(fcntl.fcntl(handle, fcntl.F_GETLEASE) != fcntl.F_RDLCK)
    return held == "written" or _seen_open(handle)


def _lease(handle: int) -> Held:
    if hasattr(fcntl, "F_SETLEASE"):
        try:
            # What tells of a waiting writer would end this process; this signal is ignored.
            fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return "written"
        else:
            return "kept"
    return "written" if _seen_open(handle) else "unknown"


def _seen_open(handle: int) -> bool:
    """Tell whether a process that we may look at has the file open for writing."""
    info = os.fstat(handle)
    for pid in filter(str.isdecimal, _listed("/proc")):
        for number in _listed(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                path = f"/proc/{pid}/fd/{number}"
                if os.path.samestat(os.stat(path), info) and os.lstat(path).st_mode & 0o200:
                    return True  # the link's own mode tells how it is open
    return False


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
