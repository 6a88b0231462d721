"""Written: record, script and engine of one model come to lie in output/."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from comfyfix.disk import json_file, looked, regular
from comfyfix.disk.files import write_atomic
from comfyfix.records import Record, to_json
from comfyfix.script import engine, render
from comfyfix.settings.manifest import Manifest
from comfyfix.state import ledger
from comfyfix.state.layout import Layout

_SCRIPT = re.compile(r"download_\d{3,9}_.*\.sh$")
_CALLS = re.compile(rf"^ *ENGINE=({engine.FOLDER}/[0-9a-f]{{16}}\.sh)$", re.MULTILINE)
Replaced = Callable[[Path, Path], object]
"""Told of an engine that was not what it must be: where it lay, and where it lies now."""


def write(layout: Layout, manifest: Manifest, record: Record, replaced: Replaced) -> Record:
    """Write record and script; where the source or the engine has changed, under the next number.

    The old script stays as it is, and works with its own engine. Returns the record as it was
    written. Raises OSError.
    """
    old = json_file.read(layout.record(record.number, record.model), Record)
    if old is not None and not old.same_content(record):
        record = renumbered(layout, record)
    put_engine(layout, replaced)
    if not _put_script(layout, manifest, record):
        record = renumbered(layout, record)
        _put_script(layout, manifest, record)
    # The record last: where there is one, its script is there and complete.
    write_atomic(layout.record(record.number, record.model), to_json(record))
    return record


def _put_script(layout: Layout, manifest: Manifest, record: Record) -> bool:
    path = layout.script(record.number, record.model)
    return render.write(path, render.render(record, manifest))


def put_engine(layout: Layout, replaced: Replaced) -> None:
    """See that the engine lies there, and is what it must be. Raises OSError."""
    aside = engine.put(layout.output)
    if aside is not None:
        replaced(layout.output / engine.name(), aside)


def put_engine_back(layout: Layout) -> None:
    """Bring back an engine that is gone while scripts of this version still call it.

    Only the newest script is looked at while its engine is there. Raises OSError.
    """
    looked.at(layout.output)
    try:
        names = [name for name in os.listdir(layout.output) if _SCRIPT.match(name)]
    except (FileNotFoundError, NotADirectoryError):
        return
    names.sort(key=lambda name: int(name.split("_", 2)[1]), reverse=True)
    engines = filter(None, (_engine_of(layout.output / name) for name in names))
    newest = next(engines, "")
    if not newest or looked.at(layout.output / newest) is not None:
        return
    if not os.path.lexists(layout.output / newest):
        current = engine.name()
        if newest == current or current in engines:
            engine.put(layout.output)


def _engine_of(script: Path) -> str:
    """The engine that a script calls; empty where it is none of ours."""
    try:
        call = _CALLS.search(regular.text(script))
    except (OSError, UnicodeDecodeError):
        return ""
    return call[1] if call else ""


def renumbered(layout: Layout, record: Record) -> Record:
    """Give a record the next number of its model. Raises OSError."""
    return msgspec.structs.replace(record, number=ledger.renumber(layout, record.model))
