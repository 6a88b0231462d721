"""Workflow files on disk: which there are, how each is opened, and when one has changed.

A zip is a folder of workflows: its members are read in memory, never unpacked to disk, and each
is a file of its own with the path `pack.zip/inner.json`.
"""

from __future__ import annotations

import glob
import io
import os
import re
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from comfyfix.comfyui.workflows import copies
from comfyfix.comfyui.workflows.graph import NotAWorkflow
from comfyfix.disk import looked, regular
from comfyfix.disk.files import clean_text, regular_stat
from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.why import Why

ENDINGS = (
    ".json", ".png", ".webp", ".jpg", ".jpeg", ".avif",
    ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".mp3", ".flac", ".opus", ".ogg",
)  # fmt: skip
"""What a folder of workflows is searched for; a file that is named outright may end in anything."""
ZIP = ".zip"
MEMBERS_MAX = 2000
MEMBER_MAX = 64 << 20  # bytes of one member, counted while it is unpacked


def find(places: Iterable[str]) -> list[tuple[str, str]]:
    """Expand files, folders, zips and globs to (file, its name relative to its root), each once.

    Raises SetupProblem for a place that does not exist or can't be read.
    """
    workflows: dict[str, str] = {}
    names: set[str] = set()
    for place in places:
        for path, root in _expand(place):
            if path in workflows:
                continue
            name = clean_text(path.removeprefix(f"{root}/"))
            if name in names:  # two roots hold a file of one name
                name = clean_text(path.removeprefix(f"{os.path.dirname(root)}/"))
            while name in names:
                name = f"{name}~"
            names.add(name)
            workflows[path] = name
    return sorted(workflows.items(), key=lambda item: item[1])


def _expand(place: str) -> Iterator[tuple[str, str]]:
    """Yield (file, root), both absolute as given and normal."""
    path = Path(place)
    if looked.is_dir(path):
        for file in _below(place):
            yield file, place
    elif looked.is_file(path) or archive_of(place):
        for file in _members(place):
            yield file, os.path.dirname(archive_of(place) or place)
    elif glob.has_magic(place):
        looked.unsure()  # what fits a pattern may lie anywhere
        root = os.path.dirname(re.split(r"[*?[]", place, maxsplit=1)[0])
        matches = sorted(glob.glob(place, recursive=True))
        for match in matches:
            if Path(match).is_file() and not copies.is_copy(match):
                yield from ((file, root) for file in _members(match))
    else:
        raise SetupProblem(Why.WORKFLOWS_PLACE, place=because(why_no_file(place), path=place))


def why_no_file(path: str) -> Why:
    """Why a path is no regular file: a pipe would be waited for without end."""
    if os.path.exists(path):
        return Why.PATH_NOT_REGULAR
    return Why.PATH_LINK if os.path.islink(path) else Why.PATH_ABSENT


def _below(place: str) -> Iterator[str]:
    for folder, folders, files in os.walk(place, onerror=_unreadable):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in folders:
            looked.at(f"{folder}/{name}")
        for name in files:
            path = f"{folder}/{name}"
            if name.lower().endswith((*ENDINGS, ZIP)) and not copies.is_copy(path):
                yield from _members(path)


def _unreadable(error: OSError) -> None:
    cause = error.strerror or error
    raise SetupProblem(Why.FOLDER_UNREADABLE, path=error.filename, error=cause) from None


def _members(path: str) -> list[str]:
    """The workflow files of a zip; of any other file, and of a broken zip, itself."""
    if not path.lower().endswith(ZIP):
        return [path]
    try:
        with regular.opened(path) as stream, zipfile.ZipFile(stream) as archive:
            names = [info.filename for info in archive.infolist()[:MEMBERS_MAX]]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return [path]
    hidden = re.compile(r"(^|/)(\.|__MACOSX/)")
    return [
        f"{path}/{name}"
        for name in dict.fromkeys(names)
        if name.lower().endswith(ENDINGS) and not hidden.search(name) and "\0" not in name
    ]


def archive_of(path: str) -> str:
    """The zip that a path leads into, or an empty string."""
    at = path.lower().find(f"{ZIP}/")
    archive = path[: at + len(ZIP)] if at > 0 else ""
    return archive if archive and looked.is_file(archive) else ""


def open_file(path: str) -> BinaryIO:
    """Open one workflow file or member of a zip. Raises NotAWorkflow and OSError."""
    info = regular_stat(path)
    if info is not None:
        if path.lower().endswith(ZIP):
            raise NotAWorkflow(Why.ZIP_UNREADABLE)
        return _opened(path)
    archive = archive_of(path)
    if archive:
        return _member(archive, path[len(archive) + 1 :])
    if os.path.exists(path):  # a pipe would never end
        raise NotAWorkflow(Why.NOT_REGULAR)
    return _opened(path)  # raises what is wrong


def _opened(path: str) -> BinaryIO:
    try:
        return regular.opened(path)
    except regular.NotRegular:
        raise NotAWorkflow(Why.NOT_REGULAR) from None


def _member(archive: str, name: str) -> BinaryIO:
    try:
        with (
            regular.opened(archive) as file,
            zipfile.ZipFile(file) as opened,
            opened.open(name) as stream,
        ):
            data = stream.read(MEMBER_MAX + 1)
    except KeyError:
        raise NotAWorkflow(Why.MEMBER_GONE) from None
    except RuntimeError:  # what zipfile raises for an encrypted member
        raise NotAWorkflow(Why.ZIP_LOCKED) from None
    except Exception as error:  # noqa: BLE001 - each compressor has errors of its own
        raise NotAWorkflow(Why.ZIP_BROKEN, error=type(error).__name__) from None
    if len(data) > MEMBER_MAX:
        raise NotAWorkflow(Why.MEMBER_LARGE, limit=MEMBER_MAX)
    return io.BytesIO(data)


def stamp(path: str) -> tuple[int, ...]:
    """(mtime_ns, ctime_ns, size, inode) of a file, or of the zip that it is in."""
    try:
        info = os.stat(path)  # once per workflow on every command
        looked.note(path, info)
    except NotADirectoryError:
        looked.note(path, None)
        return stamp(archive) if (archive := archive_of(path)) else ()
    except OSError:
        looked.note(path, None)
        return ()
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)


def if_settled(stamp: tuple[int, ...]) -> tuple[int, ...]:
    """The stamp, if it is old enough to prove that the file is the one that was read."""
    return stamp if stamp and max(stamp[:2]) < time.time_ns() - looked.SETTLED_NS else ()
