"""What is done with a file that can't be used."""

from __future__ import annotations

import contextlib

from comfyfix.records import Model, Receipt, Verdict
from comfyfix.stages.verify import move_aside
from comfyfix.tasks.running import Run


def set_aside(run: Run, model: Model, verdict: Verdict, receipt: Receipt | None) -> Verdict:
    """Move a damaged or unsafe file aside, and drop its receipts."""
    if verdict.good or verdict.status in ("missing", "unreachable"):
        return verdict
    moved = move_aside(verdict, receipt)
    if moved.moved_to:
        with contextlib.suppress(OSError):  # without the file they say nothing
            run.receipts.forget(run.project.folders.store, model)
    return moved
