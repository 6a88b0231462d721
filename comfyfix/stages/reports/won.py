"""Won: which workflows a run has made ready, and how much it has brought for that."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from comfyfix.outcomes import Came
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.stages.needs.work import Plan
from comfyfix.stages.reports.tally import Tally


@dataclass(frozen=True, slots=True)
class Won:
    """What a run has come to. `size` is in bytes, of what was downloaded or copied.

    `ready` are the workflows that are ready now, `new` those of them that were not before; `total`
    all that the run was about. `by_lock`: it was about the lock file, and looked at no workflow.
    """

    ready: tuple[str, ...]
    new: tuple[str, ...]
    total: int
    size: int
    by_lock: bool = False


def won(plan: Plan, about: Collection[str], tally: Tally, refused: Collection[str]) -> Won:
    """Hold the end of a run against its beginning. `refused`: workflows with refused values."""
    lacked = {planned.model.key for planned in plan.models if planned.pending}
    brought = {ending.model.key for ending in tally.endings if ending.problem is None}
    bad = {verdict.model for verdict in tally.bad_verdicts}
    lacking = (lacked - brought) | bad
    asked = {workflow: plan.workflows.get(workflow, ()) for workflow in sorted(about)}
    ready = [w for w, keys in asked.items() if w not in refused and not lacking.intersection(keys)]
    came = (Came.FETCHED, Came.COPIED)
    return Won(
        ready=tuple(ready),
        new=tuple(workflow for workflow in ready if lacked.intersection(asked[workflow])),
        total=len(asked) + len(tally.unreadable),
        size=sum(e.size for e in tally.endings if e.problem is None and e.came in came),
        by_lock=asked.keys() == {LOCK_FILE},
    )
