"""A repository's listing by folder, and names in it that no file of ours may get."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX, relative_name
from comfyfix.errors import NameRefused
from comfyfix.records import Reason, because
from comfyfix.sources.contents.asked import Listing
from comfyfix.why import Why

LISTED_MAX = 20_000  # files of a repository that are looked through
CHOSEN_MAX = 1_000  # files of one model: the largest have two hundred shards
PATH_MAX = 4_096  # characters of a path, as systems have them


class Tree:
    """The files of a repository by folder, empty ones left out; the root is the empty text.

    `texts` are the contents of small files by path, as far as they have been read.
    """

    def __init__(self, listing: Listing, texts: Mapping[str, bytes]) -> None:
        names: defaultdict[str, set[str]] = defaultdict(set)
        for path, item in listing.items():
            folder, _, name = path.rpartition("/")
            if item.size != 0:
                names[folder].add(name)
        self._names = {folder: frozenset(inside) for folder, inside in names.items()}
        self._texts = texts

    def names(self, folder: str) -> frozenset[str]:
        """The names of the files right in a folder."""
        return self._names.get(folder, frozenset())

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder that has files, the root first."""
        return tuple(sorted(self._names))

    def below(self, folder: str) -> tuple[str, ...]:
        """The names of the folders with files that stand right in a folder."""
        start = f"{folder}/" if folder else ""
        inner = {f[len(start) :].partition("/")[0] for f in self._names if f.startswith(start)}
        return tuple(sorted(inner - {""}))

    def text(self, path: str) -> bytes | None:
        """The content of a small file, if it has been read."""
        return self._texts.get(path)


def joined(folder: str, name: str) -> str:
    """A path of two parts, either of which may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


def leads_out(listing: Listing) -> Reason | None:
    """Why a listing as a whole is none that a repository can have; None for an honest one."""
    if len(listing) > LISTED_MAX:
        return because(Why.CONTENTS_MANY, count=len(listing), limit=LISTED_MAX)
    for path in sorted(listing):
        parts = path.split("/")
        odd = len(path) > PATH_MAX or any(ord(letter) < ord(" ") for letter in path)
        if odd or any(part in ("", ".", "..") for part in parts):
            return because(Why.CONTENTS_REFUSED, name=path, cause=because(Why.NAME_DOTS))
    return None


def refused(below: Iterable[str]) -> Reason | None:
    """Why files can't have these paths in a directory of every usual system; None if they can."""
    for path in below:
        try:
            name = relative_name(path)
        except NameRefused as problem:
            return because(Why.CONTENTS_REFUSED, name=path, cause=problem.reason)
        if name != path or len(path.rpartition("/")[2].encode()) > FETCHED_NAME_BYTES_MAX:
            why = Why.NAME_CHARACTER if name != path else Why.NAME_LONG
            cause = because(why, limit=FETCHED_NAME_BYTES_MAX)
            return because(Why.CONTENTS_REFUSED, name=path, cause=cause)
    return None


def twins(chosen: Iterable[str], listing: Iterable[str]) -> Reason | None:
    """Two paths that are one where a disk makes no difference of letters, one of them chosen.

    A folder of that name is one too.
    """
    by_name = {_folded(path): path for path in chosen}
    for other in sorted(listing):
        start = ""
        for part in other.split("/"):
            start = joined(start, part)
            path = by_name.get(_folded(start))
            if path is not None and other != path:
                return because(Why.CONTENTS_TWINS, one=path, other=other)
    return None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
