"""Notes which lines of a tree are passed, and in whose name."""

from __future__ import annotations

import json
import os
from pathlib import Path

from coverage import Coverage


def start(tree: Path, test: str = "") -> Coverage:
    """Begin; lines count for `test`, until the context is switched."""
    os.environ.setdefault("COVERAGE_CORE", "ctrace")  # what tells tests apart on every Python
    places = json.loads(os.environ["BREAKS_PLACES"])
    found = Coverage(
        data_file=None,
        config_file=False,
        include=[str(tree / place / "*") for place in places] + [str(tree / p) for p in places],
        context=test or None,
        messages=False,
    )
    found.set_option("run:disable_warnings", ["no-data-collected", "module-not-measured"])
    found.start()
    return found


def lines(noted: Coverage, tree: Path) -> dict[str, dict[str, list[str]]]:
    """For each file of the tree and each line: the tests that have passed it."""
    noted.stop()
    data = noted.get_data()
    found: dict[str, dict[str, list[str]]] = {}
    for file in data.measured_files():
        passed = data.contexts_by_lineno(file)
        name = Path(file).relative_to(tree).as_posix()
        found[name] = {str(n): [t for t in tests if t] for n, tests in passed.items()}
    return found
