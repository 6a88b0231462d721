"""The cache that Hugging Face's own programs keep: which file of which repository lies where.

It is read as `huggingface_hub.scan_cache_dir` reads it (layout: `models--OWNER--NAME/snapshots/
COMMIT/PATH`, links to `blobs/ETAG`, which may lead on to a store that repositories share), without
that package: most who have a cache have it in another environment. A large file's etag is its
sha256. What is half fetched (`ETAG.incomplete`) has no place in a snapshot.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FILES_MAX = 200_000
"""Files of a cache that are looked at; the rest is left out."""
_KINDS = {"models": "", "datasets": "datasets/", "spaces": "spaces/"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Cached:
    """One file: where it lies, its size in bytes, and what it claims to be.

    `sha256` is empty where its etag is none; `repo` has a `datasets/` or `spaces/` prefix if any.
    `commit` and `path` are empty for a blob that no snapshot names.
    """

    file: str
    size: int
    sha256: str
    repo: str
    commit: str = ""
    path: str = ""


def folder(environ: Mapping[str, str]) -> str:
    """Where the cache lies, by the variables that huggingface_hub heeds, in its order."""
    home = environ.get("HOME") or os.path.expanduser("~")
    base = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    hub = environ.get("HF_HOME") or os.path.join(base, "huggingface")
    named = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    place = os.path.expandvars(named or os.path.join(hub, "hub"))
    return os.path.abspath(home + place[1:] if place == "~" or place.startswith("~/") else place)


def entries(cache: str) -> Iterator[Cached]:
    """Yield the files of a cache; one content may be named more than once. Never raises."""
    count = 0
    for entry in _listed(cache):
        kind, dashes, rest = entry.name.partition("--")
        if not dashes or kind not in _KINDS:
            continue
        repo = _KINDS[kind] + rest.replace("--", "/")
        seen: set[str] = set()
        for cached in (*_snapshots(entry.path, repo), *_blobs(entry.path, repo)):
            if cached.commit or cached.sha256 not in seen or not cached.sha256:
                yield cached
            seen.add(cached.sha256)
            count += 1
            if count >= FILES_MAX:
                return


def _snapshots(place: str, repo: str) -> Iterator[Cached]:
    for commit in _listed(f"{place}/snapshots"):
        pinned = bool(_COMMIT.fullmatch(commit.name))
        for folder, folders, names in os.walk(commit.path):
            folders.sort()
            for file in (f"{folder}/{name}" for name in sorted(names)):
                named = (commit.name, file[len(commit.path) + 1 :]) if pinned else ()
                yield from _file(file, repo, _etag(file), *named)


def _blobs(place: str, repo: str) -> Iterator[Cached]:
    for entry in _listed(f"{place}/blobs"):
        if _SHA256.fullmatch(entry.name):
            yield from _file(entry.path, repo, entry.name)


def _file(file: str, repo: str, sha256: str, commit: str = "", path: str = "") -> Iterator[Cached]:
    with contextlib.suppress(OSError):
        info = os.stat(file)
        if stat.S_ISREG(info.st_mode):
            yield Cached(file, info.st_size, sha256, repo, commit, path)


def _etag(file: str) -> str:
    """The sha256 that the link of a snapshot tells, empty for none."""
    try:
        name = os.readlink(file).rpartition("/")[2]
    except OSError:  # a cache without links, as on Windows
        return ""
    return name if _SHA256.fullmatch(name) else ""


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as inside:
            return sorted(inside, key=lambda entry: entry.name)
    except OSError:
        return []
