"""Where a file of a known sha256 may lie near by: leads, the likeliest first.

Only what has the right size is a lead, or what claims the hash where the size is not known: of a
folder of 500 GB next to nothing is ever hashed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path

from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.disk.files import regular_stat
from comfyfix.endings import LISTED
from comfyfix.nearby import hub_cache, side_files
from comfyfix.nearby.hub_cache import Cached
from comfyfix.once import Once

ROUNDED = 1024
"""By how many bytes a provider's rounded size may be off."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A file that is sought near by: its hash, what is known of its size, and its names.

    `size` is in bytes, None if not known; `names` are those at its source and in ComfyUI.
    """

    sha256: str
    size: int | None = None
    exact: bool = True
    names: tuple[str, ...] = ()

    def fits(self, size: int) -> bool:
        """Tell whether a file of so many bytes may be it."""
        if self.size is None:
            return size > 0
        return size == self.size or (not self.exact and abs(size - self.size) <= ROUNDED)


class Likely(IntEnum):
    """How much speaks for a lead, the best first."""

    CLAIMED = 0  # somebody says that it has the hash
    NAMESAKE = 1
    OF_SIZE = 2


@dataclass(frozen=True, slots=True)
class Lead:
    """A file that may be the one: the real one, no link; and the cache or folder it belongs to.

    It is hashed, whatever speaks for it; `size`, in bytes, is told once it is proven. `linkable`
    where it is no file of a cache, which its owner may clear of whatever is in it.
    """

    path: str
    root: str
    likely: Likely
    linkable: bool
    cached: Cached | None = None
    size: int | None = None


@dataclass(slots=True)
class Nearby:
    """The places near by: a cache of the Hub, empty for none, and folders of other programs.

    `tier` is a folder of copies: it gives its bytes back, and nothing in it becomes a link.
    Each is looked at once, when it is first needed. Safe to share between threads.
    """

    cache: str = ""
    folders: tuple[str, ...] = ()
    tier: str = ""
    _cached: Once[str, dict[int, list[Cached]]] = field(init=False, default_factory=Once)
    _indexes: Once[str, StoreIndex] = field(init=False, default_factory=Once)
    _claims: Once[str, dict[str, list[str]]] = field(init=False, default_factory=Once)

    def leads(self, sought: Sought) -> list[Lead]:
        """What may be the file, each real file once, the likeliest first."""

        def order(lead: Lead) -> tuple[Likely, bool]:
            return lead.likely, _name_of(lead.path) not in sought.names

        best: dict[str, Lead] = {}
        for lead in sorted((*self._of_cache(sought), *self._of_folders(sought)), key=order):
            best.setdefault(lead.path, lead)
        return list(best.values())

    def _of_cache(self, sought: Sought) -> Iterator[Lead]:
        if not self.cache:
            return
        by_size = self._cached.get(self.cache, partial(_by_size, self.cache))
        sizes = by_size if sought.size is None else _sizes(sought, sought.size)
        for entry in (entry for size in sizes for entry in by_size.get(size, ())):
            # A file whose etag is another sha256 is another file.
            if sought.fits(entry.size) and entry.sha256 in ("", sought.sha256):
                likely = _likely(entry.path, sought, claimed=entry.sha256 == sought.sha256)
                if sought.size is not None or likely is not Likely.OF_SIZE:
                    real = os.path.realpath(entry.file)
                    yield Lead(real, self.cache, likely, linkable=False, cached=entry)

    def _of_folders(self, sought: Sought) -> Iterator[Lead]:
        cleared = tuple(f"{os.path.realpath(root)}/" for root in (self.cache, self.tier) if root)
        for folder in filter(None, (*self.folders, self.tier)):
            index = self._indexes.get(folder, partial(StoreIndex, (Path(folder),)))
            for path in self._candidates(index, folder, sought):
                likely = _likely(path, sought, claimed=sought.sha256 in side_files.hashes_of(path))
                real = os.path.realpath(path)
                yield Lead(real, folder, likely, linkable=not real.startswith(cleared))

    def _candidates(self, index: StoreIndex, folder: str, sought: Sought) -> Iterable[str]:
        if sought.size is None:
            claimed = self._claims.get(folder, partial(_claims, index)).get(sought.sha256, ())
            return (*claimed, *(path for name in sought.names for path in index.named(name)))
        return [path for size in _sizes(sought, sought.size) for path in index.of_size(size)]


def _sizes(sought: Sought, size: int) -> range:
    """The sizes that a file may have of which one is told."""
    slack = 0 if sought.exact else ROUNDED
    return range(size - slack, size + slack + 1)


def _by_size(cache: str) -> dict[int, list[Cached]]:
    by_size: dict[int, list[Cached]] = {}
    for entry in hub_cache.entries(cache):
        by_size.setdefault(entry.size, []).append(entry)
    return by_size


def _likely(path: str, sought: Sought, *, claimed: bool) -> Likely:
    if claimed:
        return Likely.CLAIMED
    return Likely.NAMESAKE if _name_of(path) in sought.names else Likely.OF_SIZE


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]


def _claims(index: StoreIndex) -> dict[str, list[str]]:
    """The models of a folder by the hashes that their side files tell."""
    by_hash: dict[str, list[str]] = {}
    for side in index.ending_in(side_files.ENDINGS):
        models = [side_files.stem(side) + ending for ending in ("", *sorted(LISTED))]
        for sha256 in side_files.hashes_in(side):
            by_hash.setdefault(sha256, []).extend(filter(regular_stat, models))
    return by_hash
