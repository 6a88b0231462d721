"""Inside: the folder that a script is in, by the kernel's word, wherever its path leads by now.

A script that asks spares itself a program for each of these. Where the kernel does not tell (there
is no /proc) it is answered nothing, and asks other programs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NOT_TOLD = ""


@dataclass(slots=True)
class Inside:
    """The folder that the script was in when it asked where it is."""

    _folder: int = -1

    def where(self, pid: str) -> str:
        """Its path with all links followed; from now on it is held open."""
        self.close()
        if not (pid.isascii() and pid.isdecimal()):
            return NOT_TOLD
        flags = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
        try:
            self._folder = os.open(f"/proc/{pid}/cwd", flags)
            path = os.readlink(f"/proc/self/fd/{self._folder}")
        except OSError:
            return NOT_TOLD
        return path if path.isprintable() else NOT_TOLD  # an answer is one line

    def room(self) -> str:
        """The kilobytes that are free there for us, as df tells them."""
        if self._folder < 0:
            return NOT_TOLD
        try:
            free = os.fstatvfs(self._folder)
        except OSError:
            return NOT_TOLD
        return str(free.f_bavail * free.f_frsize // 1024)

    @contextlib.contextmanager
    def settled(self, name: str) -> Iterator[tuple[str, Path, os.stat_result]]:
        """A file there that is on the disk now: its sha256, and a path to just this file.

        Raises OSError.
        """
        if self._folder < 0 or "/" in name:
            raise FileNotFoundError(name)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(name, flags, dir_fd=self._folder)
        try:
            info = os.fstat(handle)
            if not stat.S_ISREG(info.st_mode):
                raise IsADirectoryError(name)
            with os.fdopen(handle, "rb", closefd=False) as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(handle)
            yield digest, Path(f"/proc/self/fd/{handle}"), info
        finally:
            os.close(handle)

    def close(self) -> None:
        """Let the folder go."""
        if self._folder >= 0:
            os.close(self._folder)
        self._folder = -1
