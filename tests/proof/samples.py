"""What a maker of files hands over: one file, what it is, and who reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INDEX = "index.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """One file: its name (unique), its family in words, its reader, its content.

    `beside` are further files that lie in the same folder when it is read.
    """

    name: str
    family: str
    reader: str
    data: bytes = field(repr=False)
    beside: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that lies in a folder of samples, as its index tells of it."""

    path: Path
    family: str
    reader: str
    note: str = ""


def write_index(folder: Path, entries: list[Entry]) -> None:
    """Write what lies in a folder, one JSON object a line."""
    with (folder / INDEX).open("w") as out:
        for entry in entries:
            told: dict[str, Any] = {
                "file": entry.path.name,
                "family": entry.family,
                "reader": entry.reader,
                "note": entry.note,
            }
            out.write(json.dumps(told) + "\n")


def read_index(folder: Path) -> Iterator[Entry]:
    """Yield what lies in a folder. Raises OSError."""
    for line in (folder / INDEX).read_text().splitlines():
        told = json.loads(line)
        yield Entry(folder / told["file"], told["family"], told["reader"], told["note"])
