"""Records and scripts of all models, asked for together.

The records in `output/sources` come from one cache while their own files are as they were.

Every command needs the record of every model. Opening a file for each takes longer than asking
after its stamp, several times so where they are not in memory yet.
"""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import Literal

import msgspec

from comfyfix.disk import json_file, looked
from comfyfix.disk.files import regular_stat
from comfyfix.disk.looked import SETTLED_NS, Stamp, stamp_of
from comfyfix.records import Record
from comfyfix.state.layout import Layout


class _Kept(msgspec.Struct, frozen=True):
    stamp: Stamp
    record: Record


class _Cache(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    records: dict[str, _Kept] = {}


class Sources:
    """What is known of where models come from."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.records_cache
        self._known = (json_file.cached(self._path, _Cache) or _Cache()).records
        self._kept: dict[str, _Kept] = {}
        self._begun = time.time_ns()
        self._fresh = False

    def read(self, path: str) -> Record | None:
        """The record at a path, as `json_file.read` has it. Raises OSError, SetupProblem."""
        stamp = stamp_of(looked.at(path))
        name = path.rpartition("/")[2]
        kept = self._known.get(name)
        if kept is not None and kept.stamp == stamp:
            self._kept[name] = kept
            return kept.record
        record = json_file.read(path, Record)
        # What may change once more within its tick is read again.
        if record is not None and stamp and max(stamp[:2]) < self._begun - SETTLED_NS:
            self._kept[name] = _Kept(stamp, record)
            self._fresh = True
        return record

    def keep(self) -> None:
        """Keep what was read for the next command."""
        if self._fresh or len(self._kept) != len(self._known):
            json_file.keep(self._path, _Cache(records=self._kept))


class Scripts:
    """Which download scripts are there: their folder is looked at once."""

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.output

    def there(self, path: str) -> bool:
        """Tell whether a script, or what its name leads to, is a regular file."""
        return path.rpartition("/")[2] in self._names or regular_stat(path) is not None

    @cached_property
    def _names(self) -> frozenset[str]:
        looked.at(self._folder)
        try:
            with os.scandir(self._folder) as found:
                return frozenset(e.name for e in found if e.is_file(follow_symlinks=False))
        except OSError:
            return frozenset()
