"""One run of doit over many models, each with its own trouble; tests read how each has ended."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from comfyfix.screen.words import t
from tests.rig import PROGRAM, Site

RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u202e]")
"""What would move a cursor, or hide; only the end of a line may stand in what is said."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run has ended; `left` are the files of the model folders, by relative path."""

    code: int
    said: str
    left: dict[str, str]
    failed: dict[str, str]
    """Why each model has failed, and its next step, by its path: as the report tells it."""

    def told(self, name: str) -> list[str]:
        """What is said of a model with its next step; on the screen one cause is said once."""
        told = self.failed.get(name)
        return [] if told is None else [told]

    def of(self, name: str) -> dict[str, str]:
        """What lies in the store for a model, under whatever name."""
        return {path: sha256 for path, sha256 in self.left.items() if name in path}


def run(site: Site, program: Sequence[str] = PROGRAM, **extra: str) -> Run:
    """Run doit to its end; the site ends one that waits for somebody for ever."""
    done = site.doit(program=program, **extra)
    said = done.stdout + done.stderr
    return Run(done.returncode, said, site.files(), _failed(site))


def _failed(site: Site) -> dict[str, str]:
    report = json.loads((site.output / "report" / "report.json").read_text(encoding="utf-8"))
    return {
        model["path"]: f"{model['outcome']}: {model['reason']['message']}"
        f"\n    Next: {model['reason']['next']}"
        for model in report["models"]
        if model["status"] == "failed" and model["reason"]
    }


def shared(factory: pytest.TempPathFactory, key: str, make: Callable[[Path], Run]) -> Run:
    """Make a run once for all workers of a session: who comes first makes it, the others read."""
    place = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    kept = place / f"{key}.json"
    with FileLock(place / f"{key}.lock"):
        if not kept.exists():
            kept.write_text(json.dumps(asdict(make(factory.mktemp("site")))))
    return Run(**json.loads(kept.read_text()))


def require_told(run: Run, name: str, says: str, *, keeps: str = "") -> None:
    """Fail unless a model has failed with one message that a user can act on, and left nothing.

    `keeps` is what may be left all the same.
    """
    assert run.code == 1
    (told,) = run.told(name)
    what, between, then = told.partition("\n    Next: ")
    assert between and then, told
    assert re.search(f"{t(says)}|{says}", what), told  # scripts have words of their own
    # The names of our exceptions, or of others', are no words for people.
    assert not re.search(r"Traceback|[A-Z][a-z]+(Error|Exception|Encoding|Redirects)\b", told)
    assert not RAW.search(told)
    assert set(run.of(name).values()) <= {keeps}
