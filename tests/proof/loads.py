"""Really load what the judge passes, in the Python with the readers, and look at what happens.

COMFYFIX_TORCH=PYTHON python -m tests.proof.loads FOLDER…
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.proof.judge import verdicts
from tests.proof.samples import Entry
from tests.proof.torch_python import PROJECT, PYTHON, environment


class Readers:
    """The program that loads files under watch, kept running between questions."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [PYTHON, "-m", "tests.proof.readers.watch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(self._scratch.name),
            cwd=PROJECT,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.communicate()
        self._scratch.cleanup()

    def load(self, reader: str, path: Path) -> dict[str, Any]:
        """Load one file; return what `readers.watch` tells of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(reader, path, sep="\t", file=self._process.stdin)
        line = self._process.stdout.readline()
        told: dict[str, Any] = json.loads(line)
        return told


def loaded(entries: Iterable[Entry]) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """Load these files one after another."""
    with Readers() as readers:
        for entry in entries:
            yield entry, readers.load(entry.reader, entry.path)


def main() -> None:
    """Print outcomes and events of what passes in these folders."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("folders", type=Path, nargs="+")
    told.add_argument("--all", action="store_true", help="also load what the judge refuses")
    told.add_argument("--calls", type=Path, help="write down the functions that ran, as JSON")
    options = told.parse_args()
    calls = set[str]()
    for folder in options.folders:
        passing = [
            entry for entry, verdict in verdicts(folder) if options.all or verdict == "passes"
        ]
        outcomes = collections.Counter[str]()
        bad = 0
        for entry, seen in loaded(passing):
            outcomes[seen["outcome"]] += 1
            calls.update(seen["calls"])
            bad += bool(seen["events"])
            if seen["events"] or seen["outcome"] != "loaded":
                print(
                    f"  {entry.path.name} ({entry.reader}): {seen['outcome']} {seen['said'][:150]}"
                )
                print("".join(f"      {event}\n" for event in seen["events"][:8]), end="")
        print(f"== {folder}: {dict(outcomes)}, {bad} with events, {len(calls)} functions so far")
    if options.calls:
        options.calls.write_text(json.dumps(sorted(calls), indent=0))


if __name__ == "__main__":
    main()
