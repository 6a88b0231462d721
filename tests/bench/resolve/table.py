"""The table that the benchmark prints, and the figures that it keeps for comparison."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable

from tests.bench.resolve.measure import Outcome

Key = Callable[[Outcome], str]
COLUMNS = {
    "names": 6,
    "determinable": 12,
    "right": 6,
    "uncertain": 9,
    "absent": 6,
    "lucky": 6,
    "wrong": 6,
}


def figures(outcomes: Iterable[Outcome]) -> dict[str, int | float]:
    """Counts by ending, those of determinable names apart; recall in percent."""
    found = list(outcomes)
    sure = [o for o in found if o.determinable]
    right = sum(o.ended == "right" for o in sure)
    return {
        "names": len(found),
        "determinable": len(sure),
        "right": right,
        "uncertain": sum(o.ended == "uncertain" for o in sure),
        "absent": sum(o.ended == "absent" for o in sure),
        "lucky": sum(o.ended == "lucky" for o in found),
        "wrong": sum(o.ended == "WRONG" for o in found),
        "recall": round(100 * right / len(sure), 1) if sure else 100.0,
    }


def split(outcomes: list[Outcome], key: Key) -> dict[str, dict[str, int | float]]:
    """Figures per group."""
    groups = sorted({key(outcome) for outcome in outcomes})
    return {group: figures(o for o in outcomes if key(o) == group) for group in groups}


def show(title: str, outcomes: list[Outcome]) -> None:
    """Print one run's table."""
    asked = sorted(o.requests for o in outcomes)
    p95 = asked[int(0.95 * (len(asked) - 1))]
    print(f"\n{title}: requests median {statistics.median(asked):g}, 95 % within {p95}")
    print(" " * 25 + " ".join(f"{key:>{width}}" for key, width in COLUMNS.items()) + "  recall")
    rows = {"all": figures(outcomes)}
    keys: dict[str, Key] = {
        "": lambda o: "held out" if o.held_out else "tuned on",
        "words": lambda o: "shares a word" if o.shares else "shares none",
        "from": lambda o: o.wish.origin,
        "family": lambda o: o.wish.family,
    }
    for name, key in keys.items():
        rows |= {f"{name} {group}".strip(): value for group, value in split(outcomes, key).items()}
    for label, row in rows.items():
        counts = " ".join(f"{row[key]:{width}}" for key, width in COLUMNS.items())
        print(f"{label:24} {counts} {row['recall']:6}%")
