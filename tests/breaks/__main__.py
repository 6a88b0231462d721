"""`python -m tests.breaks`: break the code in small ways, and tell what no test has noticed."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.breaks import covered, make
from tests.breaks.covered import Map
from tests.breaks.make import Break
from tests.breaks.trial import Tree, copied

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).parent / "tmp"
EQUIVALENT = Path(__file__).parent / "equivalent.txt"
PLACES = ("comfyfix/stages", "comfyfix/sources", "comfyfix/providers", "comfyfix/tasks")
INSIDE = ("tests/unit", "tests/contract", "tests/real", "tests/inside")
OTHERS = ("tests/behaviour",)
INSIDE_SECONDS = 60  # of a processor, for the tests of one break
OTHERS_SECONDS = 200
PATIENCE = 6  # times as long by the clock; after that they hang
FOUND, FOUND_LATE, EQUAL, SURVIVED, UNPASSED, UNCLEAR = (
    "found by in-process tests", "found by others", "equivalent", "survived", "passed by no test",
    "unclear: too slow",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What came of one break."""

    broken: Break
    outcome: str
    by: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Break, run, tell; returns 1 if a break has survived."""
    options = _options().parse_args(arguments)
    wanted = options.only or PLACES
    offered = make.of_files(ROOT, wanted)
    chosen = make.sample(offered, options.seed, options.count)
    print(f"{len(chosen)} of {len(offered)} breaks, seed {options.seed}", flush=True)
    if options.list:
        for each in chosen:
            print(_line(each), *_diff(each, ROOT), sep="\n")
        return 0
    equal = equivalents(EQUIVALENT.read_text(encoding="utf-8"))
    with copied(ROOT, _noted(wanted)) as tree:
        trials = _Trials(tree, options)
        told = [
            Told(each, EQUAL) if _key(each, tree.root) in equal else trials.tell(each)
            for each in chosen
        ]
        return _summary(told, tree.root)  # in the meantime ROOT may be another


def _noted(wanted: Sequence[str]) -> Sequence[str]:
    """The places whose lines the map has: all usual ones, so that one map does for any of them."""
    usual = all(any(Path(each).is_relative_to(place) for place in PLACES) for each in wanted)
    return PLACES if usual else wanted


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.breaks", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same breaks")
    parser.add_argument("--count", type=int, default=30, help="how many breaks to try")
    parser.add_argument("--only", action="append", metavar="PATH", help="modules to break")
    parser.add_argument("--list", action="store_true", help="print the breaks and try none")
    parser.add_argument("--jobs", type=int, default=2, help="processes for the making of a map")
    parser.add_argument(
        "--seconds", type=float, default=INSIDE_SECONDS,
        help="of a processor, for the in-process tests of one break (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--old-map", action="store_true", help="make no new map for a new state")
    parser.add_argument(
        "--others", action="append", metavar="PATH",
        help="tests that start the program, for survivors (default: tests/behaviour; `none`)",
    )  # fmt: skip
    return parser


class _Trials:
    """Runs the tests of one break after the other; maps are made when they are needed."""

    def __init__(self, tree: Tree, options: argparse.Namespace) -> None:
        self._tree = tree
        self._options = options
        self._state = covered.state_of(ROOT)
        self._inside: Map | None = None
        self._others: Map | None = None
        others = options.others or list(OTHERS)
        self._suites = [] if others == ["none"] else others

    def tell(self, each: Break) -> Told:
        """Try one break."""
        told = self._tried(each)
        print(f"  {told.outcome:26} {_line(each)}  {told.by}".rstrip(), flush=True)
        return told

    def _tried(self, each: Break) -> Told:
        if self._inside is None:
            suites = covered.test_files(ROOT, INSIDE, self._tree.places)
            self._inside = self._map("inside", suites)
        told = self._run(each, self._inside, self._options.seconds, FOUND)
        if told.outcome in (FOUND, UNCLEAR) or not self._suites:
            return told
        if self._others is None:
            self._others = self._map("others", self._suites)
        late = self._run(each, self._others, OTHERS_SECONDS, FOUND_LATE)
        return told if late.outcome == UNPASSED else late

    def _run(self, each: Break, known: Map, budget: float, found: str) -> Told:
        tests = known.tests(each, budget)
        if not tests:
            return Told(each, UNPASSED)
        seconds = PATIENCE * (10 + sum(known.seconds[test] for test in tests))
        with self._tree.broken(each):
            ended = self._tree.run(tests, seconds)
        if ended.in_time:
            return Told(each, SURVIVED) if ended.green else Told(each, found, ended.by)
        # Does the break hang them, or is the machine too busy?
        plain = self._tree.run(tests, seconds)
        return Told(each, found, "hangs") if plain.in_time else Told(each, UNCLEAR)

    def _map(self, kind: str, suites: list[str]) -> Map:
        begun = time.monotonic()
        print(f"  which tests pass which line ({kind}, {len(suites)} places) …", flush=True)
        found = covered.made(
            self._tree, KEPT, self._state, kind=kind, suites=suites,
            jobs=self._options.jobs, old=self._options.old_map,
        )  # fmt: skip
        found.about = covered.importers(ROOT)
        took = time.monotonic() - begun
        print(f"  {len(found.seconds)} tests, known after {took:.0f} s", flush=True)
        return found


def equivalents(text: str) -> dict[tuple[str, ...], str]:
    """Read `equivalent.txt`: path, the lines that change, and why that changes nothing."""
    found: dict[tuple[str, ...], str] = {}
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        *key, why = lines
        if len(key) < 2 or not why.startswith("why: "):
            raise SystemExit(f"equivalent.txt: a path, `-` and `+` lines and `why:`, not\n{block}")
        found[tuple(key)] = why.removeprefix("why: ")
    return found


def _key(each: Break, root: Path) -> tuple[str, ...]:
    return (each.path, *each.diff((root / each.path).read_text(encoding="utf-8")))


def _line(each: Break) -> str:
    return f"{each.path}:{each.line} {each.kind}"


def _diff(each: Break, root: Path) -> list[str]:
    return [f"      {line}" for line in _key(each, root)[1:]]


def _summary(told: list[Told], root: Path) -> int:
    count = Counter(each.outcome for each in told)
    print()
    for outcome in (FOUND, FOUND_LATE, EQUAL, UNCLEAR, UNPASSED, SURVIVED):
        print(f"{outcome:26} {count[outcome]:4}")
    left = [each for each in told if each.outcome in (UNPASSED, SURVIVED)]
    for each in left:
        print(f"\n{_line(each.broken)} ({each.outcome})", *_diff(each.broken, root), sep="\n")
    return 1 if left else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the tests under way end, too
    sys.exit(main())
