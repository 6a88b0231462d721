"""`verify --store`: every model file of all model folders, also those that no workflow needs."""

from __future__ import annotations

import time
from pathlib import Path

from comfyfix.screen import notes
from comfyfix.screen.commands import checking
from comfyfix.screen.text import say
from comfyfix.stages.store import sweep
from comfyfix.tasks.run.opening import begin_store
from comfyfix.tasks.store.in_tier import opened_in
from comfyfix.tasks.verify.side_by_side import Check, Wish


def verify_store(manifest: Path, wish: Wish) -> Check:
    """Verify and print a line per file. Raises SetupProblem and Stopped."""
    begun = time.monotonic()
    run = begin_store(manifest)
    run.set_right()
    every = sweep.whole_store(
        run.project.manifest, run.project.folders, run.project.layout, run.project.trust
    )
    choices = list(opened_in(run).with_copies(every))
    size = sweep.total(choices)
    say(checking.verifying(len(choices), size))
    check = Check(run, choices, wish)
    check.verify_all()
    for problem in check.problems:
        notes.remark(problem)
    say(checking.store(check.count, size, time.monotonic() - begun))
    say(*checking.advice(check.stayed, check.unknown))
    return check
