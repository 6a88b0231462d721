"""What a download script that was killed leaves beside its model, and whose it is.

A script names what it makes `NAME.KIND.OWNER.part` and `.have`, `.NAME.OWNER.work` and
`.NAME.lock` (`disk/lease/owner.py` has the owners). A directory that is not whole yet is
`.NAME.KIND.new`, and whoever is at work on it has notes beside it. Only such names count, to the
letter: all else in a model folder is the user's own. What goes is for `templates/script/clear.sh`.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass

from comfyfix.disk import looked
from comfyfix.disk.lease.owner import PATTERN as _OWNER
from comfyfix.disk.lease.owner import is_dead, is_here

DAY = 86400.0
_FILE = re.compile(rf"(?P<name>.+)\.(?:[0-9a-f]{{8}}|nohash)\.{_OWNER}\.(?:part|have)")
_NEW = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.new")
_NOTES = re.compile(rf"\.(?P<name>.+)\.{_OWNER}\.work")
_BROKEN = re.compile(rf"\.(?P<name>.+)\.lock\.{_OWNER}")
_LOCK = re.compile(r"\.(?P<name>.+)\.lock")


def beside(folder: str, names: Container[str]) -> list[str]:
    """Those of `names`, files of a folder, beside which lies what a script of this machine made.

    It may be dead or at work. A folder that can't be read holds nothing.
    """
    looked.at(folder)
    try:
        listed = os.listdir(folder)  # on the path of every run, Path costs more
    except OSError:
        return []
    # Cheap for a folder of many files: nearly all of them end in something else.
    likely = [n for n in listed if n.endswith((".part", ".have", ".work")) or ".lock" in n]
    if likely:
        looked.unsure()  # whose it is may end at any time
    found = (_left_beside(folder, entry) for entry in likely)
    return sorted({name for name in found if name in names})


@dataclass(frozen=True, slots=True)
class Left:
    """What can be removed: where it lies, beside which file, its bytes, and who can tell of it.

    `ours`: its owner was a process of this boot of this machine, and is dead.
    """

    path: str
    beside: str = ""
    size: int = 0
    ours: bool = True


def abandoned(folder: str, name: str) -> list[Left]:
    """What dead scripts have left beside a file: parts, and what belongs to them.

    Of another machine or an earlier boot nobody can tell whether it lives: its parts count once no
    one has written to them for a day, and its folders of notes never.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            listed = [e for e in entries if name in e.name and e.name != name]
    except OSError:
        return []
    found += [
        Left(entry.path, name, _size_below(entry.path), ours=False)
        for entry in listed
        if _is_new(entry, name) and not _at_work(listed, name)
    ]
    for entry in listed:
        is_folder = entry.is_dir(follow_symlinks=False)
        match = (_NOTES if is_folder else _FILE).fullmatch(entry.name)
        if match is None or match["name"] != name or not (is_folder or _is_file(entry)):
            continue
        ours = is_here(match["owner"])
        with contextlib.suppress(OSError):
            if is_dead(match["owner"]) if ours else not is_folder and _is_old(entry):
                found.append(Left(entry.path, name, _size(entry), ours))
    return found


def _is_new(entry: os.DirEntry[str], name: str) -> bool:
    match = _NEW.fullmatch(entry.name)
    return bool(match and match["name"] == name and entry.is_dir(follow_symlinks=False))


def _at_work(listed: Sequence[os.DirEntry[str]], name: str) -> bool:
    """Tell whether somebody may be at work on a directory: of other machines nobody can tell."""
    for entry in listed:
        match = _NOTES.fullmatch(entry.name)
        if match and match["name"] == name and not is_dead(match["owner"]):
            return True
    return False


def _size_below(folder: str) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for each in names:
            with contextlib.suppress(OSError):
                total += os.lstat(f"{place}/{each}").st_size
    return total


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


def _is_old(entry: os.DirEntry[str]) -> bool:
    return entry.stat(follow_symlinks=False).st_mtime < time.time() - DAY


def _size(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    with os.scandir(entry.path) as inside:
        return sum(note.stat(follow_symlinks=False).st_size for note in inside)


def _left_beside(folder: str, entry: str) -> str:
    """The name of the file that an entry belongs to; empty if no script of this machine made it."""
    path = f"{folder}/{entry}"
    is_folder = os.path.isdir(path) and not os.path.islink(path)
    if is_folder:
        match = _NOTES.fullmatch(entry)
    else:
        match = _FILE.fullmatch(entry) or _BROKEN.fullmatch(entry)
    if match:
        return match["name"] if is_here(match["owner"]) else ""
    lock = _LOCK.fullmatch(entry)
    try:
        held = lock and re.fullmatch(_OWNER, os.readlink(path))
    except OSError:  # no link, so no lock
        return ""
    return lock["name"] if lock and held and is_here(held["owner"]) else ""
