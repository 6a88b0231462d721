"""Unix sockets, by which a process of this user reaches another one on this machine.

The path of a socket has room for some hundred bytes. Where the kernel shows open folders as paths
(Linux), a socket is named by its folder's handle, however long the folder's name is; elsewhere one
that does not fit is not made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MESSAGE_MAX = 4_096
"""Bytes of one question or answer."""
SECONDS = 5.0
"""How long one end waits for the other."""
DEAD_SECONDS = 60.0
"""How old a socket is before it counts as left over."""
PATH_MAX = 103
"""Bytes of a socket's path on macOS; Linux takes four more."""
_UCRED = struct.Struct("3i")  # pid, uid, gid: socket(7)


class NotOurs(OSError):
    """A socket that belongs to somebody else, or that others may write to."""


def ask(path: Path, question: bytes) -> bytes:
    """Ask whoever listens there, and return the answer. Raises OSError, NotOurs among others."""
    info = os.lstat(path)
    if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
        raise NotOurs(errno.EPERM, os.strerror(errno.EPERM), str(path))
    with _reachable(path) as name, socket.socket(socket.AF_UNIX) as line:
        line.settimeout(SECONDS)
        line.connect(name)
        if not _is_ours(line):
            raise NotOurs(errno.EPERM, os.strerror(errno.EPERM), str(path))
        line.sendall(question)
        line.shutdown(socket.SHUT_WR)
        return _whole(line)


def remove_if_dead(path: Path) -> None:
    """Remove a socket of ours where nobody listens any more. Raises OSError."""
    info = os.lstat(path)
    fresh = time.time() - info.st_mtime < DEAD_SECONDS  # one that is just being made
    if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.geteuid() or fresh:
        return
    with _reachable(path) as name, socket.socket(socket.AF_UNIX) as line:
        line.settimeout(SECONDS)
        try:
            line.connect(name)
        except ConnectionRefusedError:
            path.unlink()


Answering = Callable[[bytes], tuple[bytes, Callable[[], object]]]
"""Takes a question; returns the answer, and what is to be done once that is sent."""


class Listener:
    """Answers questions at a socket that only this user may write to."""

    def __init__(self, path: Path, answer: Answering) -> None:
        """Listen. Raises OSError, also where something lies there already."""
        self._path, self._answer = path, answer
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            with _reachable(path) as name:
                self._socket.bind(name)
            # Nobody can connect before it listens, so that nobody is faster than this.
            os.chmod(path, 0o600)
            self._socket.listen(4)
        except BaseException:
            self._socket.close()
            raise
        threading.Thread(target=self._listening, name="control", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who waits there
        self._socket.close()

    def _listening(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return  # it is closed
            with line, contextlib.suppress(OSError):
                line.settimeout(SECONDS)
                if _is_ours(line):
                    answer, then = self._answer(_whole(line))
                    line.sendall(answer)
                    then()


def _whole(line: socket.socket) -> bytes:
    """All that comes, up to the bound. Raises OSError."""
    data = b""
    while piece := line.recv(MESSAGE_MAX):
        data += piece
        if len(data) > MESSAGE_MAX:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
    return data


def _is_ours(line: socket.socket) -> bool:
    """Tell whether the other end is a process of this user, where the system tells."""
    if sys.platform != "linux":
        return True  # the mode of the socket has to do
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return bool(_UCRED.unpack(credentials)[1] == os.geteuid())


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name of a socket that is short enough. Raises OSError where there is none."""
    if len(os.fsencode(path)) <= PATH_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{folder}/{path.name}"
        if len(os.fsencode(short)) > PATH_MAX or not os.path.isdir(f"/proc/self/fd/{folder}"):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
        yield short
    finally:
        os.close(folder)
