"""Scan: workflows in, references out. A file that did not change is not read again."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix import state
from comfyfix.comfyui import references, workflow
from comfyfix.comfyui.loaders import Loaders, built_in
from comfyfix.errors import SetupProblem
from comfyfix.files import clean_text, regular_stat, write_atomic
from comfyfix.records import Reference

ENDINGS = (".json", ".png", ".webp", ".jpg", ".jpeg", ".avif")
"""What a folder of workflows is searched for; a file that is named outright may end in anything."""
FILE_MAX = 256 << 20  # bytes; the largest real workflows have a few MB
# A file may change once more within one tick of its timestamp; until this has passed, its
# stamp proves nothing (2 s is the tick of FAT and of some network filesystems).
SETTLED_NS = 2_000_000_000


class ScannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its references, or why it could not be read.

    `is_workflow` is false for JSON that is something else; `stamp` is (mtime_ns, ctime_ns,
    size, inode) when it was read, empty when it was too fresh to be trusted.
    """

    path: str
    workflow: str
    references: tuple[Reference, ...] = ()
    problem: str = ""
    is_workflow: bool = True
    stamp: tuple[int, ...] = ()


class _Cache(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    made_by: str = ""
    files: dict[str, ScannedFile] = {}


def find_files(places: Iterable[str]) -> list[tuple[str, str]]:
    """Expand files, folders and globs to (file, its name relative to its root), each once.

    Raises SetupProblem for a place that does not exist or can't be read.
    """
    found: dict[str, str] = {}
    names: set[str] = set()
    for place in places:
        for path, root in _expand(place):
            if path in found:
                continue
            name = path.removeprefix(f"{root}/")
            if name in names:  # two roots hold a file of one name
                name = path.removeprefix(f"{os.path.dirname(root)}/")  # noqa: PTH120 - plain text
            while name in names:
                name = f"{name}~"
            name = clean_text(name)
            names.add(name)
            found[path] = name
    return sorted(found.items(), key=lambda item: item[1])


def _expand(place: str) -> Iterator[tuple[str, str]]:
    """Yield (file, root), both absolute as given and normal."""
    path = Path(place)
    if path.is_file():
        yield place, os.path.dirname(place)  # noqa: PTH120 - plain text
    elif path.is_dir():
        for folder, folders, files in os.walk(place, onerror=_unreadable):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for name in files:
                if name.lower().endswith(ENDINGS):
                    yield f"{folder}/{name}", place
    elif glob.has_magic(place):
        fixed = re.split(r"[*?[]", place, maxsplit=1)[0]
        root = os.path.dirname(fixed)  # noqa: PTH120 - plain text
        for match in sorted(glob.glob(place, recursive=True)):  # noqa: PTH207 - absolute patterns
            if Path(match).is_file():
                yield match, root
        return
    else:
        raise SetupProblem(
            f"{place} does not exist",
            cause="it is listed under workflows:",
            next_step="mend `workflows:` in manifest.yaml, or the name",
        )


def _unreadable(error: OSError) -> None:
    raise SetupProblem(
        f"The folder {error.filename} can't be read",
        cause=error.strerror or str(error),
        next_step="check its permissions",
    ) from None


def scan(
    files: Iterable[tuple[str, str]],
    cache_path: Path | None = None,
    loaders: Loaders | None = None,
) -> list[ScannedFile]:
    """Scan workflow files, each on its own: one that can't be read does not stop the others.

    `loaders` says what inputs take; without it, the built-in table does.
    """
    made_by = _made_by(loaders)
    cache = (state.read(cache_path, _Cache) if cache_path else None) or _Cache()
    known = cache.files if cache.made_by == made_by else {}
    result, fresh = [], 0
    for path, name in files:
        cached = known.get(path)
        if cached and cached.workflow == name and cached.stamp == _stamp(path):
            result.append(cached)
            continue
        fresh += 1
        result.append(scan_file(path, name, loaders))
    # What has a path that is no text can't be kept in a JSON file; it is read each time.
    kept = {f.path: f for f in result if f.stamp and f.path == clean_text(f.path)}
    if cache_path and (fresh or len(kept) != len(known)):
        with contextlib.suppress(OSError):  # without a cache the next scan is slower, no more
            write_atomic(cache_path, msgspec.json.encode(_Cache(made_by=made_by, files=kept)))
    return result


def scan_file(path: str, name: str, loaders: Loaders | None = None) -> ScannedFile:
    """Scan one file; problems are told in the result."""
    stamp = _stamp(path)
    loaders = built_in() if loaders is None else loaders
    try:
        if regular_stat(path) is None and os.path.exists(path):  # noqa: PTH110 - a pipe would never end
            return ScannedFile(path=path, workflow=name, problem="it is not a regular file")
        if stamp and stamp[2] > FILE_MAX:
            return ScannedFile(path=path, workflow=name, problem="it is larger than 256 MB")
        data = Path(path).read_bytes()
        found = references.references(workflow.parse(data), name, loaders)
    except OSError as error:
        return ScannedFile(path=path, workflow=name, problem=error.strerror or "it can't be read")
    except workflow.NotAWorkflow as error:
        broken = "holds no workflow" not in str(error)
        return ScannedFile(
            path=path,
            workflow=name,
            problem=str(error) if broken else "",
            is_workflow=broken,
            stamp=_if_settled(stamp),
        )
    return ScannedFile(path=path, workflow=name, references=tuple(found), stamp=_if_settled(stamp))


def _stamp(path: str) -> tuple[int, ...]:
    try:
        info = os.stat(path)  # noqa: PTH116 - once per workflow on every command
    except OSError:
        return ()
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)


def _if_settled(stamp: tuple[int, ...]) -> tuple[int, ...]:
    return stamp if stamp and max(stamp[:2]) < time.time_ns() - SETTLED_NS else ()


def _made_by(loaders: Loaders | None) -> str:
    """What the cache depends on besides the files: the code and tables that read them."""
    own = loaders is None or loaders is built_in()
    table = "" if own else hashlib.blake2b(msgspec.json.encode(loaders), digest_size=8).hexdigest()
    with os.scandir(os.path.dirname(references.__file__)) as package:  # noqa: PTH120 - on every command
        times = [entry.stat().st_mtime_ns for entry in package if entry.is_file()]
    return f"{len(times)}-{max(times)}-{os.stat(__file__).st_mtime_ns}-{table}"  # noqa: PTH116 - the same
