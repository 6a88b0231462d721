"""What a run writes down for those that come after it: what is missing, and what is locked."""

from __future__ import annotations

from comfyfix.records import because
from comfyfix.settings import lockfile
from comfyfix.settings.switches import in_ci
from comfyfix.setup import unusable
from comfyfix.stages.lock import locking
from comfyfix.stages.reports import missing
from comfyfix.tasks.run.running import Run, remarked
from comfyfix.why import Why


def note_missing(run: Run) -> None:
    """Write down what is missing now. Raises SetupProblem."""
    done = {ending.model.key for ending in run.tally.endings if ending.problem is None}
    pending = run.project.plan.pending
    try:
        missing.write(run.project.layout, (p for p in pending if p.model.key not in done))
    except OSError as error:
        raise unusable(error, run.project.layout) from None


def note_in_lock(run: Run) -> None:
    """Note in the lock file what was fetched, where there is one that a run may change."""
    project = run.project
    setup, layout, lock = project.setup, project.setup.layout, project.setup.lock
    if not lock.exists or setup.mode != "open" or in_ci(run.environ):
        return
    if project.selected_workflow:  # a workflow that is not the project's
        return
    records = {planned.model.key: planned.record for planned in project.plan.models} | run.records
    try:
        receipts = run.receipts.all()

        def update(now: lockfile.Lock) -> lockfile.Lock:
            return locking.kept_true(project.plan, now, records, receipts)

        if update(lock).entries != lock.entries:
            lockfile.change(lock.path, layout.lock_cache, layout.lock_lock, update)
    except OSError as error:
        remarked(because(Why.LOCK_NOT_WRITTEN, path=lock.path, cause=error.strerror))
