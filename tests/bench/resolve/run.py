"""Names alone, no URL, no catalogue: how many files are found, how many are the right ones.

Four runs: with and without the full-text search, without the quick search, and all in one run.
`COMFYFIX_BENCH_NAMES` sets how many names are tried (500), `COMFYFIX_BENCH_SAVE=1` writes the
baseline that later runs are compared with.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

from comfyfix.demo.hub import Hub
from tests.bench.resolve import by_source
from tests.bench.resolve.measure import Outcome, measure
from tests.bench.resolve.table import figures, show, split
from tests.bench.resolve.world import Wish, World, build

BASELINE = Path(__file__).with_name("baseline.json")
MIX = {"templates": 0.2, "corpus": 0.25, "known": 0.2, "generated": 0.3, "absent": 0.05}


def choose(world: World, count: int) -> list[Wish]:
    """Names of every origin, in an order that does not depend on the world's."""
    chosen: list[Wish] = []
    for origin, share in MIX.items():
        wishes = [wish for wish in world.wishes.values() if wish.origin == origin]
        wishes.sort(key=lambda wish: sha256(wish.name.encode()).digest()[1:])
        chosen += wishes[: round(count * share)]
    return chosen


def main() -> None:
    """Print the tables."""
    count = int(os.environ.get("COMFYFIX_BENCH_NAMES", "500"))
    with Hub() as hub:
        world = build(hub)
        files = sum(len(repo.files) for repo in hub.repositories.values())
        print(f"resolve: {len(hub.repositories)} repositories, {files} files")
        wishes = choose(world, count)
        plain = measure(world, wishes)
        show("names alone, no full-text search", plain)
        hub.full_text = True
        text = measure(world, wishes)
        show("with full-text search", text)
        hub.full_text = hub.quick_search = False
        show("without quick search too", measure(world, wishes))
        hub.quick_search = True
        together = measure(world, wishes, together=True)
        print(
            f"\nall in one run: {sum(o.requests for o in together) / len(together):.1f} requests "
            f"a name, {sum(o.ended == 'WRONG' for o in together)} wrong"
        )
        by_source.main(world)
    _failures(plain, text)
    _compare({"plain": plain, "full text": text})


def _failures(plain: list[Outcome], text: list[Outcome]) -> None:
    for title, outcomes in (("plain", plain), ("full text", text)):
        for outcome in outcomes:
            missed = outcome.determinable and outcome.ended != "right"
            if outcome.ended == "WRONG" or (missed and not outcome.held_out):
                place = "held out" if outcome.held_out else "tuned on"
                print(f"{title}, {place}: {outcome.ended} {outcome.wish.name}: {outcome.why[:150]}")


def _compare(runs: dict[str, list[Outcome]]) -> None:
    now = {
        name: {"all": figures(o), **split(o, lambda x: x.wish.family)} for name, o in runs.items()
    }
    if os.environ.get("COMFYFIX_BENCH_SAVE"):
        BASELINE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
        return
    before = json.loads(BASELINE.read_text()) if BASELINE.is_file() else {}
    for run, rows in now.items():
        for family, row in rows.items():
            was = before.get(run, {}).get(family, row)
            if (was["right"], was["wrong"]) != (row["right"], row["wrong"]):
                print(
                    f"{run}, {family}: right {was['right']} → {row['right']}, "
                    f"wrong {was['wrong']} → {row['wrong']}"
                )
