"""Rendered: what files of results were last made of, so that they are not made again of the same.

Making them takes longer than all else that a run does that finds nothing to do. What is kept here
costs nothing but time to lose: where it is not there, or another file lies in the place of one that
we have written, all are made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from comfyfix.disk import json_file, regular
from comfyfix.disk.files import regular_stat
from comfyfix.disk.looked import Stamp, stamp_of
from comfyfix.state.layout import Layout
from comfyfix.state.pieces import UNTOLD, Rows


class _Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of what all files were made of, and the stamp of each, by name."""

    version: Literal[1] = 1
    made_of: str
    files: dict[str, Stamp]


def digest(parts: Iterable[object]) -> str:
    """Tell apart what files are made of; empty where a part can't stand in JSON."""
    encoder, digesting = msgspec.json.Encoder(), hashlib.blake2b(digest_size=16)
    try:
        for part in parts:  # one by one: all at once would take as much room as the files
            digesting.update(encoder.encode(part) + b"\n")
    except (TypeError, UnicodeEncodeError):
        return ""
    return digesting.hexdigest()


def digest_of_rows(ground: str, *rows: Rows[Any]) -> str:
    """Tell apart what files are made of by its rows; empty where one can't be told."""
    if not ground or any(UNTOLD in some.marks for some in rows):
        return ""
    digesting = hashlib.blake2b(ground.encode(), digest_size=16)
    for some in rows:
        digesting.update(b"%d " % len(some.marks) + b"".join(some.marks))
    return digesting.hexdigest()


def as_written(layout: Layout, path: Path) -> bytes:
    """What a file holds, if it is the one that was written last; else nothing."""
    known = json_file.cached(layout.rendered, _Rendered)
    if known is None or known.files.get(path.name) != stamp_of(regular_stat(str(path))):
        return b""
    try:
        return regular.read(path)
    except OSError:
        return b""


def holds(layout: Layout, made_of: str, files: Iterable[Path]) -> bool:
    """Tell whether these files are there, as they were once made of just this."""
    known = json_file.cached(layout.rendered, _Rendered)
    return bool(made_of) and known == _Rendered(made_of=made_of, files=_stamps(files))


def keep(layout: Layout, made_of: str, files: Iterable[Path]) -> None:
    """Note what these files are made of."""
    if made_of:
        json_file.keep(layout.rendered, _Rendered(made_of=made_of, files=_stamps(files)))


def _stamps(files: Iterable[Path]) -> dict[str, Stamp]:
    return {path.name: stamp_of(regular_stat(str(path))) for path in files}
