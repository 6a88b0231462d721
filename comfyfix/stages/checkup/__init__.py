"""Checkup: is all there that a run needs? Each thing is looked at by itself, within a bound.

What a check says is a value; one that fails or hangs hides none of the others.
"""

from __future__ import annotations

import threading
import time

from comfyfix.errors import Problem
from comfyfix.records import because
from comfyfix.stages.checkup import machine, services
from comfyfix.stages.checkup.base import Check, Line, Patient
from comfyfix.why import Why

SECONDS = 20.0
"""How long all checks together may take; they run side by side."""
CHECKS: dict[str, Check] = {**machine.CHECKS, **services.CHECKS}


def look(patient: Patient, *, seconds: float = SECONDS) -> list[Line]:
    """Do all checks side by side; returns what they say, in their order."""
    said: dict[str, list[Line]] = {name: [] for name in CHECKS}
    done: dict[str, bool] = {}
    threads = [
        threading.Thread(target=_one, args=(name, check, patient, said[name], done), daemon=True)
        for name, check in CHECKS.items()
    ]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    found: list[Line] = []
    for name in CHECKS:
        found += list(said[name])
        if name not in done:
            found.append(Line(name, good=False, said=because(Why.CHECK_LATE, seconds=int(seconds))))
    return found


def _one(
    name: str, check: Check, patient: Patient, said: list[Line], done: dict[str, bool]
) -> None:
    try:
        for line in check(patient):
            said.append(line)
    except Problem as problem:
        said.append(Line(name, good=False, said=problem.reason))
    except Exception as error:  # noqa: BLE001 - a check that fails hides none of the others
        cause = because(Why.CHECK_FAILED, error=f"{type(error).__name__}: {error}")
        said.append(Line(name, good=False, said=cause))
    done[name] = True
