"""The trash of a store: what was moved out of its folders, with a note of where it was.

What goes together in one step lies in a folder `STORE/.comfyfix/trash/NAME`, with a note that has
an entry for each model. The note is on the disk before anything moves, and a file moves by a
rename: at every moment it is at its place or here. A model that is here by halves, since its
process was killed, is put back by whoever opens the trash next. Everything is named from inside
open folders, so that no link leads out; folders that belong to another user are not touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from comfyfix.disk import folders
from comfyfix.disk.folders import stat_of
from comfyfix.disk.lease import lease
from comfyfix.disk.trash import trash_item, trash_note
from comfyfix.disk.trash.trash_note import FRESH, NOTE, Entry, Item, Note
from comfyfix.errors import system_says
from comfyfix.records import Reason, because
from comfyfix.why import Why

PLACE = (".comfyfix", "trash")
AT_ONCE = 64
"""Models that one note is for: the disk is waited for three times for all of them."""
_PURGING = re.compile(r"[0-9]{1,9}\.purging")


class Wanted(NamedTuple):
    """A model that is to go. `still` is asked under its lease, just before, for a reason not to."""

    model: str
    size: int
    items: Sequence[Item]
    still: Callable[[], Reason | None]


class Busy(OSError):
    """Another process is at work on the trash, or its filesystem has no locks."""


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
        self, at: str, wanted: Sequence[Wanted], still: Callable[[], Reason | None]
    ) -> list[Reason | None]:
        """Move models here, each as a whole or not at all; tells of each why not.

        `still` is asked before the first goes and once more after the last: where it has a reason
        by then, all go back. Raises OSError.
        """
        name = f"{re.sub('[^0-9]', '', at)}-{secrets.token_hex(4)}"
        entries = _entries(name, at, wanted)
        os.mkdir(name, 0o700, dir_fd=self.own)
        with folders.opened(self.own, [name]) as inside:
            trash_note.write(inside, Note(name=name, entries=entries))
            os.fsync(self.own)
            reasons = [still()] * len(entries)
            for number, entry in enumerate(entries if not any(reasons) else ()):
                reasons[number] = self._taken(inside, entry, wanted[number].still)
            late = still()
            for number, entry in enumerate(entries):
                reasons[number] = reasons[number] or late
                if reasons[number]:
                    self._put_back(inside, entry)
        self._remove(name)
        return reasons

    def _taken(
        self, inside: int, entry: Entry, still: Callable[[], Reason | None]
    ) -> Reason | None:
        try:
            return self._take(inside, entry, still)
        except OSError as error:
            return system_says(error)

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
                if not trash_item.is_as_chosen(stat_of(folder, name), item):
                    return because(Why.GC_CHANGED, path=item.place)
                os.rename(name, item.kept, src_dir_fd=folder, dst_dir_fd=inside)
                if not trash_item.is_as_chosen(stat_of(inside, item.kept), item):
                    return because(Why.GC_CHANGED, path=item.place)
        return None

    def entries(self) -> list[Entry]:
        """What is here whole, oldest first; what belongs to others is left out. Raises OSError."""
        found: list[Entry] = []
        for name in sorted(os.listdir(self.own)):
            with self._folder(name) as (inside, note):
                for entry in note.entries if note else ():
                    if all(stat_of(inside, item.kept) for item in entry.items):
                        found.append(entry)
        return found

    def settle(self) -> None:
        """Finish or undo what was begun. Raises OSError.

        What can't go back, since something else has its place by now, stays here.
        """
        for name in sorted(os.listdir(self.own)):
            with self._folder(name) as (inside, note):
                if inside < 0:
                    continue
                if note is None:
                    self._clear(inside)
                for entry in note.entries if note else ():
                    if stat_of(inside, entry.purging):
                        self._empty(inside, entry)
                    elif not all(self._rests(inside, item) for item in entry.items):
                        self._put_back(inside, entry)
            self._remove(name)

    def restore(self, chosen: Iterable[Entry]) -> Iterator[tuple[Entry, list[str]]]:
        """Put entries back, each with the places that something else has by now. Raises OSError."""
        for name, entries in groupby(chosen, lambda entry: entry.folder):
            with self._folder(name) as (inside, note):
                for entry in entries:
                    yield entry, self._put_back(inside, entry) if note else []
            self._remove(name)

    def purge(self, chosen: Iterable[Entry]) -> None:
        """Remove entries for good. Raises OSError."""
        for name, entries in groupby(chosen, lambda entry: entry.folder):
            with self._folder(name) as (inside, note):
                for entry in entries if note else ():
                    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                    os.close(os.open(entry.purging, flags, 0o600, dir_fd=inside))
                    self._empty(inside, entry)
            self._remove(name)

    @contextlib.contextmanager
    def _folder(self, name: str) -> Iterator[tuple[int, Note | None]]:
        """A folder of ours, open, with its note if it has one; -1 for what is none of ours."""
        with contextlib.ExitStack() as stack:
            inside = -1
            with contextlib.suppress(OSError):  # a file, a link, or a folder that is not for us
                inside = stack.enter_context(folders.opened(self.own, [name]))
            is_ours = inside >= 0 and os.fstat(inside).st_uid == os.geteuid()
            yield (inside, trash_note.read(inside, name)) if is_ours else (-1, None)

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
                    trash_item.give_back(inside, item, info, folder, name)
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
        if os.listdir(inside) == [FRESH]:
            os.unlink(FRESH, dir_fd=inside)

    def _remove(self, name: str) -> None:
        """Remove a folder in which nothing is left but its note."""
        with self._folder(name) as (inside, _):
            marks = os.listdir(inside) if inside >= 0 else ["none of ours"]
            if not all(mark in (NOTE, FRESH) or _PURGING.fullmatch(mark) for mark in marks):
                return
            for mark in sorted(marks, key=lambda mark: mark == NOTE):  # the note is the last to go
                os.unlink(mark, dir_fd=inside)
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=self.own)


def _entries(folder: str, at: str, wanted: Sequence[Wanted]) -> tuple[Entry, ...]:
    """The entries of a folder: each file in it has a name of its own."""
    numbers = map(str, range(sum(len(one.items) for one in wanted)))
    return tuple(
        Entry(
            name=f"{folder}-{number}",
            model=one.model,
            at=at,
            size=one.size,
            items=tuple(msgspec.structs.replace(i, kept=next(numbers)) for i in one.items),
        )
        for number, one in enumerate(wanted)
    )
