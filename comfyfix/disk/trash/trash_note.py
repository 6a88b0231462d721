"""The note of a folder in the trash: which models lie there, and where their files were."""

from __future__ import annotations

import os
import re
import stat
from typing import Literal

import msgspec

from comfyfix.disk.files import relative_name
from comfyfix.errors import NameRefused

NOTE, FRESH = "entry.json", "entry.new"
_NOTE_MAX = 16 << 20  # bytes; a set of ten thousand files needs a tenth of it
_KEPT = re.compile(r"[0-9]{1,9}")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One file or directory: its place below the store, and as it was when it was chosen."""

    place: str
    kept: str = "0"
    is_directory: bool = False
    size: int
    mtime_ns: int
    device: int
    inode: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model: its name in the trash, which it was, its bytes, when it was moved (UTC)."""

    name: str
    model: str
    at: str
    size: int
    items: tuple[Item, ...]

    @property
    def folder(self) -> str:
        """The folder of the trash that holds it."""
        return self.name.rpartition("-")[0]

    @property
    def purging(self) -> str:
        """The mark in its folder that it is being removed for good."""
        return f"{self.name.rpartition('-')[2]}.purging"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in one folder of the trash, whose `name` it has."""

    version: Literal[1] = 1
    name: str
    entries: tuple[Entry, ...]


def is_place(place: str) -> bool:
    """Tell whether it leads below the store, through no hidden folder, and is fit for a note."""
    try:
        return relative_name(place) == place
    except NameRefused:
        return False


def write(inside: int, note: Note) -> None:
    """Put a note into its folder: once this is over it is on the disk. Raises OSError."""
    made = os.open(FRESH, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=inside)
    with os.fdopen(made, "wb") as out:
        out.write(msgspec.json.encode(note))
        out.flush()
        os.fsync(out.fileno())
    os.rename(FRESH, NOTE, src_dir_fd=inside, dst_dir_fd=inside)
    os.fsync(inside)


def read(inside: int, name: str) -> Note | None:
    """The note of a folder, if it is one that we could have written there."""
    note = _read(inside)
    if note is None or note.name != name:
        return None
    items = [item for entry in note.entries for item in entry.items]
    sound = all(_KEPT.fullmatch(item.kept) and is_place(item.place) for item in items)
    named = all(entry.name == f"{name}-{number}" for number, entry in enumerate(note.entries))
    return note if sound and named and len({item.kept for item in items}) == len(items) else None


def _read(inside: int) -> Note | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(NOTE, flags, dir_fd=inside)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _NOTE_MAX:
            return None
        try:
            return msgspec.json.decode(stream.read(_NOTE_MAX), type=Note)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
