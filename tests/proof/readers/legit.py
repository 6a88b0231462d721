"""Make legitimate files with the real libraries; run in the Python with the readers.

    python -m tests.proof.readers.legit FOLDER MAY_FOLDER [KIND,KIND…]

`FOLDER` gets what must pass, `MAY_FOLDER` what may be refused; each gets an index.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from tests.proof.samples import Entry, write_index

KINDS = "tensors modules values arrays yolo training settings files".split()
Make = Callable[[Path], None]
Legit = tuple[str, str, str, Make]
"""Name, family, reader, and what writes it."""


def main(folder: Path, may: Path, kinds: str = "") -> None:
    """Write all; say on standard error what could not be made."""
    warnings.simplefilter("ignore")
    entries: dict[Path, list[Entry]] = {folder: [], may: []}
    for target in entries:
        target.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        if kinds and kind not in kinds.split(","):
            continue
        for told in files(kind):
            name, family, reader, make = told
            target = may if family.startswith("may:") else folder
            path = target / name
            try:
                make(path)
            except Exception:
                traceback.print_exc(limit=-2)
                print(f"not made: {name}", file=sys.stderr)
                continue
            entries[target].append(Entry(path, family, reader))
    for target, told_entries in entries.items():
        write_index(target, told_entries)
        print(f"{len(told_entries)} in {target}")


def files(kind: str) -> Iterator[Legit]:
    """Yield what a module of makers offers."""
    yield from import_module(f"tests.proof.readers.make_{kind}").files()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
