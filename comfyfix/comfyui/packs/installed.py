"""The user's own installation as a source of facts: core and every pack in `custom_nodes`.

It knows the folder of each loader input better than any table, because it is what will run. Its
source is read, never imported; what a pack says is kept until one of its files changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from comfyfix.comfyui import loaders, packs
from comfyfix.comfyui.packs import linked
from comfyfix.comfyui.packs.facts import PackFacts
from comfyfix.disk import json_file, looked, regular
from comfyfix.disk.code import stamp_of_code
from comfyfix.garbage import left_alone

if TYPE_CHECKING:
    from comfyfix.comfyui.packs.source import Pack

FILES_MAX = 20_000
FILE_MAX = 1 << 20  # bytes; a file that declares nodes has some ten thousand
_File = tuple[str, os.stat_result]
"""A source file, and what the system told of it before it was read."""
_SKIPPED = ("__pycache__", "node_modules", "site-packages", "venv", "web", "js", "tests")


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    stamp: str
    facts: PackFacts


class _Cache(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    made_by: str = ""
    packs: dict[str, _Known] = {}


def read(
    comfyui: Path,
    custom_nodes: Iterable[Path],
    cache_path: Path | None,
    keys: Mapping[str, Iterable[Path]] | None = None,
) -> PackFacts:
    """What core and packs say together; core counts first, then packs in the order of names.

    `keys` are folder keys that were told of elsewhere, with their directories: an input over one
    that nobody told of has no folder.
    """
    cache = (json_file.cached(cache_path, _Cache) if cache_path else None) or _Cache()
    root, core_files = str(comfyui), _core_files(str(comfyui))
    # Besides its own files what a pack says depends on the core's, and on what reads them.
    core_stamp = _stamp(core_files)
    made_by = f"{stamp_of_code(packs)}-{stamp_of_code(loaders)}-{core_stamp}"
    known = cache.packs if cache.made_by == made_by and core_stamp else {}
    kept: dict[str, _Known] = {}
    facts: list[PackFacts] = []
    left = FILES_MAX
    core = _Core(core_files)
    for place, files in _packs(root, core_files, custom_nodes):
        paths, stamp = [path for path, _ in files[:left]], _stamp(files[:left])
        left -= len(paths)
        entry = known.get(place)
        if entry is None or entry.stamp != stamp or not stamp:
            entry = _Known(stamp=stamp, facts=_read_pack(paths, root, core))
        kept[place] = entry
        facts.append(entry.facts)
    if cache_path and kept and kept != known:
        lasting = {place: entry for place, entry in kept.items() if entry.stamp and core_stamp}
        json_file.keep(cache_path, _Cache(made_by=made_by, packs=lasting))
    return linked.linked(linked.together(facts), root, keys or {})


def _read_pack(paths: list[str], comfyui: str, core: _Core) -> PackFacts:
    from comfyfix.comfyui.packs import reading  # only where a pack is new

    with left_alone():  # parsing makes many objects, and no garbage
        return reading.read(paths, _bytes, comfyui, core.pack())


class _Core:
    """The core's modules, parsed once for all packs that build on them."""

    def __init__(self, files: list[_File]) -> None:
        self._files = [path for path, _ in files]
        self._pack: Pack | None = None

    def pack(self) -> Pack | None:
        from comfyfix.comfyui.packs.source import Pack  # only where a pack is new

        if self._pack is None:
            self._pack = Pack(self._files, _bytes)
        return self._pack


def _bytes(path: str) -> bytes:
    try:
        return regular.read(path)
    except OSError:
        return b""


def _packs(
    comfyui: str, core: list[_File], custom_nodes: Iterable[Path]
) -> Iterator[tuple[str, list[_File]]]:
    """Yield (root, its Python files) of core and of each pack, core first."""
    if core:
        yield comfyui, core
    seen: set[tuple[int, int]] = set()
    for place in list(map(str, custom_nodes)) or [f"{comfyui}/custom_nodes"]:
        looked.at(place)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if _is_off(entry.name):
                continue
            _note_link(entry)
            with contextlib.suppress(OSError):
                if entry.is_dir():
                    files = _python_files(entry.path, seen)
                else:
                    files = _source(entry)
                if files:
                    yield entry.path, files


def unread(custom_nodes: Iterable[Path]) -> str:
    """The first place of the packs that can't be read, or that leads to nowhere; empty for none.

    `read` passes over such a place, and what its nodes load is not known then.
    """
    pending = [str(place) for place in custom_nodes if os.path.lexists(place)]
    seen: set[tuple[int, int]] = set()
    while pending:
        path = pending.pop()
        try:
            info = os.stat(path)
            if not stat.S_ISDIR(info.st_mode):
                if not os.access(path, os.R_OK):
                    return path
            elif (info.st_dev, info.st_ino) not in seen:
                seen.add((info.st_dev, info.st_ino))
                with os.scandir(path) as listed:
                    pending += [entry.path for entry in listed if _may_hold_nodes(entry)]
        except OSError:
            return path
    return ""


def _may_hold_nodes(entry: os.DirEntry[str]) -> bool:
    """Tell a folder, a source, or a link that leads to nowhere from all else."""
    if _is_off(entry.name) or entry.name in _SKIPPED:
        return False
    return entry.name.endswith(".py") or entry.is_dir() or not os.path.exists(entry.path)


def _core_files(comfyui: str) -> list[_File]:
    nodes = looked.at(f"{comfyui}/nodes.py")
    own = [(f"{comfyui}/nodes.py", nodes)] if nodes and stat.S_ISREG(nodes.st_mode) else []
    return own + _python_files(f"{comfyui}/comfy_extras", set())


def _python_files(root: str, seen: set[tuple[int, int]]) -> list[_File]:
    files: list[_File] = []
    pending = [root]
    while pending and len(files) < FILES_MAX:
        folder = pending.pop()
        info = looked.at(folder)
        if info is None:
            continue
        try:
            if (info.st_dev, info.st_ino) in seen:  # a link into what was read already
                continue
            seen.add((info.st_dev, info.st_ino))
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.name in _SKIPPED or _is_off(entry.name):
                continue
            _note_link(entry)
            try:  # no `suppress`, which takes as long as the rest
                if entry.is_dir():
                    pending.append(entry.path)
                elif entry.name.endswith(".py"):
                    files += _source(entry)
            except OSError:
                continue
    return sorted(files, key=itemgetter(0))


def _is_off(name: str) -> bool:
    return name.startswith(".") or name.endswith(".disabled")


def _note_link(entry: os.DirEntry[str]) -> None:
    if entry.is_symlink():  # what it leads to may come or go, and its folder tells nothing of that
        looked.at(entry.path)


def _source(entry: os.DirEntry[str]) -> list[_File]:
    if not (entry.name.endswith(".py") and entry.is_file()):
        return []
    info = entry.stat()  # thousands of times per command
    looked.note(entry.path, info)
    return [(entry.path, info)] if info.st_size <= FILE_MAX else []


def _stamp(files: list[_File]) -> str:
    """A digest of names, times and sizes; empty while a file is too fresh to be trusted."""
    facts = [(path, i.st_mtime_ns, i.st_ctime_ns, i.st_size) for path, i in files]
    newest = max((max(modified, changed) for _, modified, changed, _ in facts), default=0)
    joined = "".join([f"{path}\0{m}\0{c}\0{size}\0" for path, m, c, size in facts])
    digest = hashlib.blake2b(joined.encode(errors="surrogateescape"), digest_size=16)
    return digest.hexdigest() if newest < time.time_ns() - looked.SETTLED_NS else ""
