"""The hashes of files, kept line by line: what was hashed before an interruption is not lost.

One JSON line per file, added at once. A line that is torn, or of another version, is passed over:
its file is hashed again, no more.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import msgspec

from comfyfix.disk import json_file, regular
from comfyfix.disk.files import clean_text, write_atomic
from comfyfix.records import Hashed
from comfyfix.settings.manifest import IdentityPolicy
from comfyfix.state.trust import as_it_was

LINE_MAX = 1 << 16  # bytes; the longest path of a file takes a sixteenth of it
SPARE = 1000  # lines that are out of date before the file is written anew
LOCK_SECONDS = 5.0


class HashLog:
    """The hashes that are known. Safe to share between threads; processes may share its file."""

    def __init__(self, path: Path, identity: IdentityPolicy = "full") -> None:
        self._path = path
        self._identity = identity
        self._lock = threading.Lock()
        self._known, self._lines = read(path)
        self._begun = False

    def find(self, path: str, info: os.stat_result) -> str | None:
        """The sha256 of a file, unless the file has changed since it was hashed."""
        hashed = self._known.get(path)
        return hashed.sha256 if hashed and as_it_was(hashed, info, self._identity) else None

    def keep(self, path: str, info: os.stat_result, sha256: str) -> None:
        """Add the hash of a file; where that can't be written it is known to this run only."""
        if path != clean_text(path):
            return  # a name that is no text can't stand in a JSON file
        hashed = Hashed(
            path=path,
            size=info.st_size,
            mtime_ns=info.st_mtime_ns,
            ctime_ns=info.st_ctime_ns,
            device=info.st_dev,
            inode=info.st_ino,
            sha256=sha256,
        )
        with self._lock, contextlib.suppress(OSError):
            self._known[path] = hashed
            self._append(msgspec.json.encode(hashed) + b"\n")

    def _append(self, line: bytes) -> None:
        if not self._begun:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            line, self._begun = b"\n" + line, True  # ends a line that was torn off
        # Opened for each line: another process may have put a shorter file in its place.
        regular.append(self._path, line)
        self._lines += 1

    def close(self) -> None:
        """Write the file anew if it has grown far beyond what it says."""
        with self._lock, contextlib.suppress(OSError):
            if self._lines > 2 * len(self._known) + SPARE:
                self._rewrite()

    def _rewrite(self) -> None:
        with json_file.locked(self._path.with_name(f".{self._path.name}.lock"), LOCK_SECONDS):
            known, _ = read(self._path)  # with what other processes have added
            lines = [msgspec.json.encode(known[path]) for path in sorted(known) if _may_be(path)]
            write_atomic(self._path, b"".join(line + b"\n" for line in lines))


def read(path: Path) -> tuple[dict[str, Hashed], int]:
    """The newest line of each path, and how many lines there are; none where none can be read."""
    known: dict[str, Hashed] = {}
    count = 0
    decoder = msgspec.json.Decoder(Hashed)
    with (
        contextlib.suppress(OSError),
        regular.opened(path, regular.STATE_MAX) as stream,
    ):
        while line := stream.readline(LINE_MAX):
            count += 1
            with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                hashed = decoder.decode(line)
                known[hashed.path] = hashed
    return known, count


def _may_be(path: str) -> bool:
    """Tell whether a file is there, or may be once its disk is mounted again."""
    folder = os.path.dirname(path)
    return os.path.lexists(path) or not os.path.isdir(folder)
