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
    lines: dict[str, list[Line]] = {name: [] for name in CHECKS}
    threads = {
        name: threading.Thread(target=_one, args=(name, check, patient, lines[name]), daemon=True)
        for name, check in CHECKS.items()
    }
    until = time.monotonic() + seconds
    for thread in threads.values():
        thread.start()
    for name, thread in threads.items():
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            late = because(Why.CHECK_LATE, seconds=int(seconds))
            # A list of its own: what the check still says belongs to nobody.
            lines[name] = [*lines[name], Line(name, good=False, said=late)]
    return [line for name in CHECKS for line in lines[name]]


def _one(name: str, check: Check, patient: Patient, lines: list[Line]) -> None:
    try:
        for line in check(patient):
            lines.append(line)
    except Problem as problem:
        lines.append(Line(name, good=False, said=problem.reason))
    except Exception as error:  # noqa: BLE001 - a check that fails hides none of the others
        cause = because(Why.CHECK_FAILED, error=f"{type(error).__name__}: {error}")
        lines.append(Line(name, good=False, said=cause))
