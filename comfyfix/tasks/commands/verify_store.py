"""`verify --store`: every model file of all model folders, also those that no workflow needs."""

from __future__ import annotations

import time
from pathlib import Path

from comfyfix.screen import checking, notes
from comfyfix.screen.text import say
from comfyfix.stages import sweep
from comfyfix.tasks.build import MANIFEST, open_store
from comfyfix.tasks.side_by_side import Check, Wish


def verify_store(wish: Wish) -> int:
    """Verify and print a line per file; returns the exit code. Raises SetupProblem and Stopped."""
    begun = time.monotonic()
    build = open_store(Path(MANIFEST))
    choices = sweep.whole_store(build.manifest, build.folders, build.layout, build.trust)
    size = sweep.total(choices)
    say(checking.begun(len(choices), size))
    check = Check(build, choices, wish)
    check.run()
    for problem in check.problems:
        notes.remark(problem)
    say(checking.store(check.good, check.bad, size, time.monotonic() - begun))
    say(*checking.advice(check.stayed, check.unknown))
    return 1 if check.bad else 0
