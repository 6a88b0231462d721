"""Loaded by pytest (`-p breaks_plugin`): runs some tests in a given order, or notes what they pass.

It knows nothing of the rest of `tests`, since the tests may be those of another tree.
`BREAKS_RUN` names a file of test ids, one a line: these run, in this order, and no others.
`BREAKS_NOTE` names a folder: what each test passes is noted there, in a file for each process;
`BREAKS_KIND` says of which tests: `inside`, or `others`, which start the program.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import recorder

TREE = Path(os.environ["BREAKS_TREE"])
NOTE = os.environ.get("BREAKS_NOTE", "")
OTHERS = os.environ.get("BREAKS_KIND") == "others"
STARTS_PROGRAM = "program"  # the fixture of tests that run the program

_seconds: dict[str, float] = {}
_bad: set[str] = set()
_now = [""]
_recorder = recorder.start(TREE) if NOTE and not OTHERS else None


def pytest_configure(config: pytest.Config) -> None:
    """Let the programs that tests start be those of this tree, and note what they pass."""
    try:
        from tests.rig import Site  # a tree may have none
    except ImportError:
        return
    plain = Site.environment
    paths = [str(TREE), str(Path(__file__).parent)]

    def environment(self: Site, **extra: str) -> dict[str, str]:
        told = plain(self, **extra) | {"PYTHONPATH": os.pathsep.join(paths)}
        if NOTE and OTHERS:
            told |= {"BREAKS_PASS": NOTE, "BREAKS_TEST": _now[0]}
            told |= {name: os.environ[name] for name in ("BREAKS_TREE", "BREAKS_PLACES")}
        return told

    Site.environment = environment  # type: ignore[method-assign]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that are wanted."""
    wanted = os.environ.get("BREAKS_RUN")
    if wanted:
        order = {name: at for at, name in enumerate(Path(wanted).read_text().splitlines())}
        kept = sorted((i for i in items if i.nodeid in order), key=lambda i: order[i.nodeid])
    else:
        kept = [i for i in items if (STARTS_PROGRAM in _fixtures(i)) == OTHERS]
    config.hook.pytest_deselected(items=[i for i in items if i not in kept])
    items[:] = kept


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note for whom the lines are passed from here on, and how long it takes."""
    _now[0] = item.nodeid
    if _recorder:
        _recorder.switch_context(item.nodeid)
    begun = _used()
    result = yield
    _seconds[item.nodeid] = _used() - begun
    return result


def _used() -> float:
    """Seconds of a processor: how long it takes by the clock is up to the others on the machine."""
    return sum(os.times()[:4])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note which tests are of no use, since they are red or skipped as it is."""
    if not report.passed:
        _bad.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down what was noted."""
    if not NOTE or not _seconds:
        return
    told: dict[str, Any] = {
        "seconds": {name: took for name, took in _seconds.items() if name not in _bad},
        "lines": recorder.lines(_recorder, TREE) if _recorder else {},
    }
    path = Path(NOTE) / f"session-{os.getpid()}.json"
    path.write_text(json.dumps(told), encoding="utf-8")
