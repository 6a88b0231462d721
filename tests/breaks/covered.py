"""Which test passes which line: found out once for a state of the tree, and kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.breaks.make import Break
from tests.breaks.trial import Tree
from tests.unit.test_layers import edges, read_all

INSIDE_SECONDS = 3600  # by the clock: on a busy machine it takes longer
OTHERS_SECONDS = 7200
QUICK_SECONDS = 15  # for the quickest tests, which find the most
START_SECONDS = 0.02  # what pytest adds to each test


@dataclass
class Map:
    """The tests that pass each line, how long each takes, and which files import each module."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    about: Mapping[str, set[str]] = field(default_factory=dict)

    def add(self, told: dict[str, Any]) -> None:
        """Take in what one process has noted."""
        self.seconds.update(told["seconds"])
        for file, passed in told["lines"].items():
            mine = self.lines.setdefault(file, {})
            for line, tests in passed.items():
                mine.setdefault(int(line), set()).update(tests)

    def as_told(self) -> dict[str, Any]:
        """What it holds, as `add` takes it in."""
        lines = {
            file: {str(number): sorted(tests) for number, tests in passed.items()}
            for file, passed in self.lines.items()
        }
        return {"seconds": self.seconds, "lines": lines}

    def drop(self, files: Container[str]) -> None:
        """Forget the tests of some files."""
        self.seconds = {t: s for t, s in self.seconds.items() if _file_of(t) not in files}
        for at in self.lines.values():
            for number, tests in at.items():
                at[number] = {t for t in tests if _file_of(t) not in files}

    def tests(self, each: Break, budget: float) -> list[str]:
        """The tests to run for a break, as many as fit into some seconds.

        For some of the time the quickest, those first that import the module themselves; then
        those that are the least like each other.
        For a line that no test passes (a default, what runs at import) those of its function
        count, then those of its module.
        """
        passed = self.lines.get(each.path, {})
        first, last = each.within
        function = set().union(*(passed.get(n, ()) for n in range(first, last + 1)))
        module = set().union(*passed.values())
        # A default is passed by whoever has imported the module first: that tells nothing.
        line: set[str] = set() if each.kind == "default changed" else passed.get(each.line, set())
        found: set[str] = line or function or module
        known = {test for test in found if test in self.seconds}
        near = self.about.get(each.path, set())
        quick = sorted(known, key=lambda t: (_file_of(t) not in near, self.seconds[t], t))
        chosen = list(self._within(quick, min(budget / 2, QUICK_SECONDS))) or quick[:1]
        left = budget - sum(self.seconds[test] for test in chosen)
        return chosen + list(self._within(self._in_order(known - {*chosen}), left))

    def _within(self, tests: Iterable[str], budget: float) -> Iterator[str]:
        for test in tests:
            budget -= self.seconds[test]
            if budget < 0:
                return
            yield test

    def _in_order(self, tests: set[str]) -> Iterator[str]:
        """Order tests: whoever passes the most lines that none before has passed, for its time.

        Of a line that hundreds pass, the quickest are all alike, and what notices is another.
        """
        seen = 0
        while tests:
            new = {t: (self._marks[t] & ~seen).bit_count() for t in tests}
            if seen and not any(new.values()):
                seen = 0  # another round
                continue
            best = max(sorted(tests), key=lambda t: new[t] / (self.seconds[t] + START_SECONDS))
            yield best
            tests.remove(best)
            seen |= self._marks[best]

    @cached_property
    def _marks(self) -> dict[str, int]:
        """The lines that each test passes, a bit for each."""
        marks = dict.fromkeys(self.seconds, 0)
        every = (tests for passed in self.lines.values() for tests in passed.values())
        for bit, tests in enumerate(every):
            for test in tests & marks.keys():
                marks[test] |= 1 << bit
        return marks


State = Mapping[str, str]
"""What a map depends on: the sha256 of each file of code and tests, by its path."""


def state_of(root: Path) -> State:
    """The state of code and tests, as far as a map depends on it."""
    found: dict[str, str] = {}
    for folder in ("comfyfix", "tests", "templates"):
        for path in sorted((root / folder).rglob("*")):
            own = path.is_relative_to(root / "tests" / "breaks")
            if path.is_file() and not own and "__pycache__" not in path.parts:
                name = path.relative_to(root).as_posix()
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def stale(root: Path, before: State, now: State) -> set[str] | None:
    """The files of tests whose tests may pass other lines than before; None: those of all.

    Where nothing but tests has changed, it is these files, and those that import from them.
    """
    changed = {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
    if not all(Path(name).match("tests/*/test_*.py") for name in changed):
        return None
    users = _users(root)
    front = [_dotted(name) for name in changed]
    seen = set(front)
    while front:
        new = users.get(front.pop(), set()) - seen
        seen |= new
        front += new
    return {_file(name) for name in seen}


def made(
    tree: Tree, kept: Path, state: State, *, kind: str, suites: Iterable[str], jobs: int, old: bool
) -> Map:
    """Return the map of the tests of one kind (`inside` or `others`), made if none is kept.

    Of tests that alone have changed, a kept one is made anew; of all, if the code has.
    `old`: one of an earlier state of the tree is good enough.
    """
    suites = list(suites)
    key = json.dumps([kind, tree.places, suites if kind == "others" else []])
    path = kept / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.json"
    found = Map()
    if path.is_file():
        told = json.loads(path.read_text(encoding="utf-8"))
        found.add(told)
        gone = stale(tree.root, told["state"], state)
        if old or gone == set():
            return found
        if gone is None:
            found = Map()
        else:
            found.drop(gone)
            suites = sorted(f for f in gone & state.keys() if any(map(f.startswith, suites)))
    if suites:
        _note(found, tree, kind, suites, jobs)
    kept.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"state": dict(state), **found.as_told()}), encoding="utf-8")
    return found


def _note(found: Map, tree: Tree, kind: str, suites: list[str], jobs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="breaks-") as notes:
        seconds = INSIDE_SECONDS if kind == "inside" else OTHERS_SECONDS
        ended = tree.pytest(
            ["-n", str(jobs), "--tb=line", *suites], seconds, BREAKS_NOTE=notes, BREAKS_KIND=kind
        )
        if not ended.in_time:
            raise SystemExit(f"the tests took more than {seconds} s:\n{ended.said[-2000:]}")
        for path in Path(notes).iterdir():
            found.add(json.loads(path.read_text(encoding="utf-8")))
    if not found.seconds or not any(found.lines.values()):
        raise SystemExit(
            f"no test was green, or passed a line, in {' '.join(suites)}:\n{ended.said[-2000:]}"
        )


def test_files(root: Path, suites: Iterable[str], places: Iterable[str]) -> list[str]:
    """The files of tests that import one of the broken modules, be it on the way through others.

    What the conftest.py beside a test imports counts as its own.
    """
    users = _users(root)
    for name in set().union(*users.values()):
        users.setdefault(f"{name.rpartition('.')[0]}.conftest", set()).add(name)
    dotted = [_dotted(place) for place in places]
    front = [n for n in users if any(n == d or n.startswith(f"{d}.") for d in dotted)]
    seen = set(front)
    while front:
        new = users.get(front.pop(), set()) - seen
        seen |= new
        front += new
    found = [_file(name) for name in seen if ".test_" in name]
    return sorted(f for f in found if any(f.startswith(suite) for suite in suites))


def importers(root: Path) -> dict[str, set[str]]:
    """The files of tests that import each module themselves, by the module's file."""
    users = _users(root)
    return {
        _file(name): {_file(user) for user in found if ".test_" in user}
        for name, found in users.items()
    }


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _dotted(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def _file(name: str) -> str:
    return f"{name.replace('.', '/')}.py"


def _users(root: Path) -> dict[str, set[str]]:
    """Who imports each module of the tree."""
    sources: dict[str, str] = {}
    for folder in ("comfyfix", "tests"):
        for path in (root / folder).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            sources[name] = path.read_text(encoding="utf-8")
    users: dict[str, set[str]] = {}
    packages = frozenset(n for n in sources if any(o.startswith(f"{n}.") for o in sources))
    for name, other, _ in edges(read_all(sources, packages)):
        users.setdefault(other, set()).add(name)
    return users
