"""The trash of a store: what was moved out of its folders, each with a note of where it was.

An entry is a folder `STORE/.comfyfix/trash/NAME` with a note and what the note names. The note is
on the disk before anything moves, and a file moves by a rename: at every moment it is at its place
or here. What is here by halves, since its process was killed, is put back by whoever opens the
trash next. Everything is named from inside open folders, so that no link leads out; entries that
belong to another user are not touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix.disk import folders, lease
from comfyfix.disk.files import relative_name
from comfyfix.disk.folders import stat_of
from comfyfix.errors import NameRefused
from comfyfix.records import Reason, because
from comfyfix.why import Why

PLACE = (".comfyfix", "trash")
_NOTE, _FRESH, _PURGING = "entry.json", "entry.new", "purging.json"
_NOTE_MAX = 16 << 20  # bytes; a set of ten thousand files needs a tenth of it
_KEPT = re.compile(r"[0-9]{1,9}")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One file or directory: its place below the store, and as it was when it was chosen."""

    place: str
    kept: str
    is_directory: bool = False
    size: int
    mtime_ns: int
    device: int
    inode: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The note of one entry: which model it was, its bytes, when it was moved (UTC)."""

    version: Literal[1] = 1
    name: str
    model: str
    at: str
    size: int
    items: tuple[Item, ...]


class Busy(OSError):
    """Another process is at work on the trash, or its filesystem has no locks."""


def item_of(store: str, path: str, number: int) -> Item | None:
    """A file or directory as it is now; None where it can't go: a link, odd, or not in the store.

    `store` with every link followed. Raises OSError.
    """
    folder, _, name = path.rpartition("/")
    place = os.path.relpath(os.path.join(os.path.realpath(folder), name), store)
    info = os.lstat(path)
    is_directory = stat.S_ISDIR(info.st_mode)
    if not (is_directory or stat.S_ISREG(info.st_mode)) or not _is_place(place):
        return None
    return Item(
        place=place,
        kept=str(number),
        is_directory=is_directory,
        size=0 if is_directory else info.st_size,
        mtime_ns=info.st_mtime_ns,
        device=info.st_dev,
        inode=info.st_ino,
    )


def _is_place(place: str) -> bool:
    """Tell whether it leads below the store, through no hidden folder, and is fit for a note."""
    try:
        return relative_name(place) == place
    except NameRefused:
        return False


@contextlib.contextmanager
def opened(store: Path, *, make: bool = False) -> Iterator[Trash | None]:
    """Open the trash of a store for this process alone, and set right what a killed one has left.

    None where there is none, unless it is to be made. Raises OSError, Busy among others.
    """
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(folders.opened(os.path.realpath(store)))
        try:
            own = stack.enter_context(folders.opened(root, PLACE, make=make))
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(error.errno, os.strerror(error.errno or 0), "/".join(PLACE)) from None
        trash = Trash(root, own)
        trash.settle()
        yield trash


@dataclass(frozen=True, slots=True)
class Trash:
    """The trash while it is open: the store's folder and its own."""

    store: int
    own: int

    def take(
        self,
        model: str,
        at: str,
        size: int,
        items: Sequence[Item],
        still: Callable[[], Reason | None],
    ) -> Reason | None:
        """Move what belongs to a model here, all of it or nothing; else tell why not.

        `still` is asked under the lease, just before it goes. Raises OSError.
        """
        name = f"{re.sub('[^0-9]', '', at)}-{secrets.token_hex(4)}"
        entry = Entry(name=name, model=model, at=at, size=size, items=tuple(items))
        os.mkdir(name, 0o700, dir_fd=self.own)
        with folders.opened(self.own, [name]) as inside:
            _write_note(inside, entry)
            os.fsync(self.own)
            try:
                reason = self._take(inside, entry, still)
            except OSError as error:
                reason = because(Why.SYSTEM_SAYS, error=error.strerror or error)
        if reason is not None:
            self.settle(back=name)
        return reason

    def _take(self, inside: int, entry: Entry, still: Callable[[], Reason | None]) -> Reason | None:
        with contextlib.ExitStack() as stack:
            places = []
            for item in entry.items:
                *above, name = item.place.split("/")
                folder = stack.enter_context(folders.opened(self.store, above))
                if not stack.enter_context(lease.held(folder, name)):
                    return because(Why.GC_AT_WORK, path=item.place)
                places.append((folder, name, item))
            if reason := still():
                return reason
            for folder, name, item in places:
                if not _is(stat_of(folder, name), item):
                    return because(Why.GC_CHANGED, path=item.place)
                os.rename(name, item.kept, src_dir_fd=folder, dst_dir_fd=inside)
                if not _is(stat_of(inside, item.kept), item):
                    return because(Why.GC_CHANGED, path=item.place)
        return None

    def entries(self) -> list[Entry]:
        """What is here whole, oldest first; what belongs to others is left out. Raises OSError."""
        found = []
        for name in sorted(os.listdir(self.own)):
            with self._entry(name) as (inside, entry):
                if entry and all(stat_of(inside, item.kept) for item in entry.items):
                    found.append(entry)
        return found

    def settle(self, back: str = "") -> None:
        """Finish or undo what was begun; `back` is an entry that goes back whole. Raises OSError.

        What can't go back, since something else has its place by now, stays here.
        """
        for name in [back] if back else sorted(os.listdir(self.own)):
            with self._entry(name) as (inside, entry):
                if inside < 0:
                    continue
                if entry is None:
                    self._clear(inside)
                elif stat_of(inside, _PURGING):
                    self._empty(inside, entry)
                elif back or not all(self._rests(inside, item) for item in entry.items):
                    self._put_back(inside, entry)
            self._remove(name)

    def restore(self, entry: Entry) -> list[str]:
        """Put an entry back; returns the places that something else has by now. Raises OSError."""
        with self._entry(entry.name) as (inside, known):
            taken = self._put_back(inside, known) if known else []
        self._remove(entry.name)
        return taken

    def purge(self, entry: Entry) -> None:
        """Remove an entry for good. Raises OSError."""
        with self._entry(entry.name) as (inside, known):
            if known:
                os.rename(_NOTE, _PURGING, src_dir_fd=inside, dst_dir_fd=inside)
                self._empty(inside, known)
        self._remove(entry.name)

    @contextlib.contextmanager
    def _entry(self, name: str) -> Iterator[tuple[int, Entry | None]]:
        """An entry of ours, open, with its note if it has one; -1 for what is none of ours."""
        with contextlib.ExitStack() as stack:
            inside = -1
            with contextlib.suppress(OSError):  # a file, a link, or a folder that is not for us
                inside = stack.enter_context(folders.opened(self.own, [name]))
            is_ours = inside >= 0 and os.fstat(inside).st_uid == os.geteuid()
            yield (inside, _note(inside, name)) if is_ours else (-1, None)

    def _rests(self, inside: int, item: Item) -> bool:
        """Tell whether an item is here, and not on its way back: then it has both names."""
        info = stat_of(inside, item.kept)
        if info is None or info.st_nlink == 1 or stat.S_ISDIR(info.st_mode):
            return info is not None
        *above, name = item.place.split("/")
        try:
            with folders.opened(self.store, above) as folder:
                there = stat_of(folder, name)
        except OSError:
            return True
        return there is None or (there.st_dev, there.st_ino) != (info.st_dev, info.st_ino)

    def _put_back(self, inside: int, entry: Entry) -> list[str]:
        """Put back what is here; never over anything."""
        taken = []
        for item in entry.items:
            info = stat_of(inside, item.kept)
            if info is None:
                continue
            *above, name = item.place.split("/")
            try:
                with folders.opened(self.store, above, make=True) as folder:
                    _give_back(inside, item, info, folder, name)
            except OSError:
                taken.append(item.place)
        return taken

    @staticmethod
    def _empty(inside: int, entry: Entry) -> None:
        for item in entry.items:
            info = stat_of(inside, item.kept)
            if info is not None and stat.S_ISDIR(info.st_mode):
                shutil.rmtree(item.kept, dir_fd=inside)
            elif info is not None:
                os.unlink(item.kept, dir_fd=inside)

    @staticmethod
    def _clear(inside: int) -> None:
        """An entry whose note was never whole: nothing has moved yet."""
        if os.listdir(inside) == [_FRESH]:
            os.unlink(_FRESH, dir_fd=inside)

    def _remove(self, name: str) -> None:
        """Remove an entry in which nothing is left but its note."""
        with self._entry(name) as (inside, _):
            if inside < 0 or not set(os.listdir(inside)) <= {_NOTE, _FRESH, _PURGING}:
                return
            for note in os.listdir(inside):
                os.unlink(note, dir_fd=inside)
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=self.own)


def _is(info: os.stat_result | None, item: Item) -> bool:
    """Tell whether it is what was chosen, and has this one name alone."""
    if info is None or (info.st_dev, info.st_ino) != (item.device, item.inode):
        return False
    if item.is_directory:
        return stat.S_ISDIR(info.st_mode)
    same = (info.st_size, info.st_mtime_ns) == (item.size, item.mtime_ns)
    return stat.S_ISREG(info.st_mode) and same and info.st_nlink == 1


def _give_back(inside: int, item: Item, info: os.stat_result, folder: int, name: str) -> None:
    """Give a file its place again, unless something is there. Raises OSError."""
    there = stat_of(folder, name)
    if there is not None:
        if (there.st_dev, there.st_ino) != (info.st_dev, info.st_ino):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), item.place)
        os.unlink(item.kept, dir_fd=inside)  # both names are there: it was killed between the two
    elif stat.S_ISDIR(info.st_mode):
        os.rename(item.kept, name, src_dir_fd=inside, dst_dir_fd=folder)
    else:
        try:
            # A link first: unlike a rename it never replaces what has come a moment ago.
            os.link(item.kept, name, src_dir_fd=inside, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if isinstance(error, FileExistsError) or stat_of(folder, name) is not None:
                raise
            os.rename(item.kept, name, src_dir_fd=inside, dst_dir_fd=folder)  # no hard links here
            return
        os.unlink(item.kept, dir_fd=inside)


def _write_note(inside: int, entry: Entry) -> None:
    made = os.open(
        _FRESH, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=inside
    )
    with os.fdopen(made, "wb") as out:
        out.write(msgspec.json.encode(entry))
        out.flush()
        os.fsync(out.fileno())
    os.rename(_FRESH, _NOTE, src_dir_fd=inside, dst_dir_fd=inside)
    os.fsync(inside)


def _note(inside: int, name: str) -> Entry | None:
    """The note of an entry, if it is one that we could have written there."""
    entry = _read(inside, _NOTE) or _read(inside, _PURGING)
    if entry is None or entry.name != name:
        return None
    sound = all(_KEPT.fullmatch(item.kept) and _is_place(item.place) for item in entry.items)
    return entry if sound else None


def _read(inside: int, name: str) -> Entry | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(name, flags, dir_fd=inside)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _NOTE_MAX:
            return None
        try:
            return msgspec.json.decode(stream.read(_NOTE_MAX), type=Entry)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
