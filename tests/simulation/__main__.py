"""`python -m tests.simulation`: plays the scenes, and writes tables and plots of docs/scale.md.

`python -m tests.simulation check` runs eight runners in earnest, which takes ten minutes, and
writes how far the simulation is from them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.rig import REPO
from tests.simulation import check, scenes
from tests.simulation.plots import Axis, bars, lines
from tests.simulation.scenes import Outcome
from tests.simulation.world import Scene

PAGE = REPO / "docs" / "scale.md"
PICTURES = REPO / "docs" / "scale"
HOUR = 3600
LOCKED = Scene(name="a lock", locked=True)
SHARDED = replace(LOCKED, name="a lock, sharded", sharded=True)
SIGNED = replace(SHARDED, name="a lock, sharded, signed", signed=True)
MIRRORED = replace(SIGNED, name="a lock, sharded, signed, a mirror", mirror=2_500)
FREE = Scene(name="no lock, sharded, signed", sharded=True, signed=True)
SCENES = (
    replace(FREE, name="no lock, 4 requests a search", calls=4, days=0.25),
    FREE,
    replace(MIRRORED, name="no lock, sharded, signed, a mirror", locked=False),
    LOCKED,
    SHARDED,
    SIGNED,
    MIRRORED,
)
COUNTS = (1, 4, 16, 64)
POINTS = 200
BUSY = {
    "api": "the provider's API",
    "line": "the provider's line to the one address",
    "store, written": "writing to the store",
    "store, read": "reading from the store",
    "cores": "the runners' cores",
}


def main() -> None:
    """Play, or check."""
    if sys.argv[1:] == ["check"]:
        _put("check", _compared(check.compare()))
        return
    PICTURES.mkdir(exist_ok=True)
    plan = scenes.planned(SCENES[0].models)
    played = []
    for scene in SCENES:
        played.append(scenes.play(scene, plan))
        print(scene.name, played[-1].ended, flush=True)
    known = {outcome.scene: outcome for outcome in played}
    grown: dict[str, list[Outcome]] = {}
    for scene in (SHARDED, SIGNED, MIRRORED):
        for runners in COUNTS:
            some = replace(scene, runners=runners)
            known[some] = known.get(some) or scenes.play(some, plan)
            grown.setdefault(scene.name, []).append(known[some])
    _draw("there", _there(played))
    _draw("runners", _runners(grown))
    _draw("busy", _busy(played))
    _put("scenes", _table(played))
    _put("runners", _growth(grown))


def _draw(name: str, drawn: str) -> None:
    (PICTURES / f"{name}.svg").write_text(drawn)


def _put(name: str, rows: Iterable[str]) -> None:
    """Put rows into the page, between the marks of this name."""
    text = PAGE.read_text()
    begin, end = f"<!-- {name}: made by tests.simulation -->\n", f"<!-- end of {name} -->"
    told = "\n".join(["", *rows, "", ""])
    place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    PAGE.write_text(place.sub(lambda _: begin + told + end, text))
    print(*rows, sep="\n")


def _hours(seconds: float | None) -> str:
    return "not in 6 h" if seconds is None else f"{seconds / HOUR:.1f}"


def _table(played: Sequence[Outcome]) -> list[str]:
    names = "scene | all there, h | all ended, h | waited for a lease | refused by the API | full"
    rows = [f"| {names} |", "|---|--:|--:|--:|--:|---|"]
    for one in played:
        name = max(one.busy, key=lambda each: one.busy[each])
        full = f"{BUSY.get(name, 'the mirror')} ({one.busy[name]:.0%})"
        rows.append(
            f"| {one.scene.name} | {_hours(one.there_after)} | {_hours(one.ended)} "
            f"| {one.waited:,} | {one.refused:,} | {full} |"
        )
    return rows


def _growth(grown: dict[str, list[Outcome]]) -> list[str]:
    rows = [f"| all ended, h; runners: | {' | '.join(map(str, COUNTS))} |"]
    rows.append(f"|---|{'--:|' * len(COUNTS)}")
    for name, some in grown.items():
        rows.append(f"| {name} | {' | '.join(_hours(one.ended) for one in some)} |")
    return rows


def _compared(rows: Sequence[check.Compared]) -> list[str]:
    names = "8 runners | really, s | simulated, s | off | files of each, really"
    told = [f"| {names} |", "|---|--:|--:|--:|---|"]
    for row in rows:
        each = " ".join(map(str, row.real.brought))
        told.append(
            f"| {row.name} | {row.real.seconds:.1f} | {row.simulated.ended or 0:.1f} "
            f"| {row.off:+.1%} | {each} |"
        )
    load = ", ".join(f"{each:.0f}" for each in os.getloadavg())
    return [*told, "", f"Load of the machine (2 cores) at its end: {load}."]


def _there(played: Sequence[Outcome]) -> str:
    most = max(one.there_after or 0 for one in played) / HOUR
    series = {}
    for one in played:
        if not one.there:
            continue
        step = max(1, len(one.there) // POINTS)
        last = len(one.there) - 1
        some = [*range(0, last, step), last]
        points = [(one.there[place] / HOUR, float(place + 1)) for place in some]
        series[one.scene.name] = [(0.0, 0.0), *points]
    across = Axis(told="hours", low=0, high=most)
    return lines(across, Axis(told="files there", low=0, high=SCENES[0].models), series)


def _runners(grown: dict[str, list[Outcome]]) -> str:
    series = {
        name: [(float(one.scene.runners), (one.ended or 0) / HOUR) for one in some if one.ended]
        for name, some in grown.items()
    }
    hours = [y for points in series.values() for _, y in points]
    across = Axis(told="runners", low=1, high=max(COUNTS), log=True)
    up = Axis(
        told="hours until all have ended", low=min(hours) * 0.8, high=max(hours) * 1.2, log=True
    )
    return lines(across, up, series)


def _busy(played: Sequence[Outcome]) -> str:
    names = list(BUSY)
    groups = [str(number) for number in range(1, len(played) + 1)]
    series = {BUSY[name]: [100 * one.busy.get(name, 0) for one in played] for name in names}
    return bars(Axis(told="percent of the time", low=0, high=100), groups, series)


if __name__ == "__main__":
    main()
