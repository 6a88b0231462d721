"""The answer "there is nothing to do", kept with the stamps of all that it was worked out from.

A command that finds every stamp as it was gives that answer again, and reads nothing else. Nothing
is done, placed or opened by what is written here: who could put a file in its place could make a
command say "nothing to do", and no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from comfyfix.disk import json_file
from comfyfix.disk.code import stamp_of_code
from comfyfix.disk.files import write_atomic
from comfyfix.disk.looked import NOTHING, Looked, Stamp, stamp_of
from comfyfix.state.layout import Layout
from comfyfix.version import __version__

# What a terminal sets anew in every window or folder. All other variables count: which of them some
# part of the program may read is nobody's to remember.
_OF_A_TERMINAL = ("_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "STY", "WINDOWID")
_BEGIN_SO = ("SSH_", "TERM", "TMUX")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to tell of a project without work.

    `models` are how many it needs; `tasks` those that doit does by default. `verified` where doit
    itself has nothing to do either, and not only no model is pending.
    """

    about: str
    models: int
    tasks: tuple[str, ...]
    verified: bool


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The digests are made with `salt`; `folders` are the names that were asked about in each."""

    version: Literal[1] = 1
    answer: Answer
    made_by: str
    salt: str
    named: bool
    environment: str
    stamps: str
    folders: dict[str, tuple[str, ...]]


def find(layout: Layout, about: str, key: bytes) -> Answer | None:
    """The answer that still holds, if there is one; `key` is that of the store."""
    try:
        kept = json_file.cached(layout.kept, _Kept)
    except OSError:
        return None
    if kept is None or kept.answer.about != about or kept.made_by != _made_by():
        return None
    salt = kept.salt.encode()
    if kept.environment != _environment(salt, key, named=kept.named):
        return None
    paths = (f"{folder}/{name}" for folder, names in kept.folders.items() for name in names)
    return kept.answer if kept.stamps == _digest(map(_now, paths), salt) else None


def keep(layout: Layout, answer: Answer, looked: Looked, key: bytes) -> None:
    """Keep an answer, if what was looked at shows for how long it holds.

    Our caches don't count, and what is written in every run: they are no ground of an answer. Where
    it can't be written the next command takes longer, no more.
    """
    by_the_way = _by_the_way(layout)
    stamps = {path: s for path, s in looked.stamps.items() if not by_the_way(path)}
    if not looked.settled(stamps.values()) or not all(map(_can_be_kept, stamps)):
        return
    salt = secrets.token_hex(8)
    folders: dict[str, list[str]] = {}
    for path in stamps:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    ordered = (stamps[f"{folder}/{n}"] for folder, names in folders.items() for n in names)
    kept = _Kept(
        answer=answer,
        made_by=_made_by(),
        salt=salt,
        named=looked.variables,
        environment=_environment(salt.encode(), key, named=looked.variables),
        stamps=_digest(ordered, salt.encode()),
        folders={folder: tuple(names) for folder, names in folders.items()},
    )
    with contextlib.suppress(OSError):
        write_atomic(layout.kept, msgspec.json.encode(kept))


def _by_the_way(layout: Layout) -> Callable[[str], bool]:
    """What tells it of each of many thousand paths."""
    folders, ground = (f"{layout.caches}/", f"{layout.output}/log/"), str(layout.doit_db)
    return lambda path: f"{path}/".startswith(folders) and path != ground


def _can_be_kept(path: str) -> bool:
    """Tell whether a path is the same in every folder, and can stand in a JSON file."""
    return path.startswith("/") and (path.isascii() or path.isprintable())


def _made_by() -> str:
    """What an answer depends on besides: our own code, Python, and as whom we look."""
    python = ".".join(map(str, sys.version_info[:3]))
    code = stamp_of_code()
    return f"{__version__} {code} {python} {os.geteuid()}"


def _environment(salt: bytes, key: bytes, *, named: bool) -> str:
    """A digest of the variables; of all of them where a text of the user's `named` some."""
    variables = sorted(os.environ.items())
    if not named:
        variables = [pair for pair in variables if not _is_of_a_terminal(pair[0])]
    text = "\0".join("=".join(pair) for pair in variables).encode(errors="surrogateescape")
    return hashlib.blake2b(text + b"\0\0" + key, digest_size=16, key=salt).hexdigest()


def _is_of_a_terminal(name: str) -> bool:
    return name in _OF_A_TERMINAL or name.startswith(_BEGIN_SO)


def _digest(stamps: Iterable[Stamp], salt: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16, key=salt)
    for stamp in stamps:
        digest.update(b"%d %d %d %d %d %d;" % stamp if stamp else b"-;")
    return digest.hexdigest()


def _now(path: str) -> Stamp:
    try:
        return stamp_of(os.stat(path))  # thousands of times
    except (OSError, ValueError):
        return NOTHING
