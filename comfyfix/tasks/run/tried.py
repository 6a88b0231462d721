"""What is kept of a try that failed: its outcome in the ledger, and what a search has seen."""

from __future__ import annotations

import contextlib

from comfyfix.disk import json_file
from comfyfix.errors import ModelProblem, Problem, Unreachable
from comfyfix.records import Attempt, Record
from comfyfix.stages.needs.work import Planned
from comfyfix.state import ledger, searches
from comfyfix.state.searches import Search
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


def note(run: Run, planned: Planned, problem: Problem) -> None:
    """Keep how a try ended; what can't be written is no failure of the run."""
    with contextlib.suppress(OSError):
        attempt = Attempt(at=json_file.now(), outcome=problem.outcome, reason=problem.reason)
        ledger.note(run.project.layout, planned.model, attempt)
        _keep(run, planned, problem)


def seen_before(planned: Planned, problem: Problem) -> Problem:
    """The problem, with other advice where the last try has ended like it."""
    reason, last = problem.reason, planned.last.reason if planned.last else None
    if reason.why != Why.PAGE_CAME or last is None:
        return problem
    if last.why not in (Why.PAGE_CAME, Why.PAGE_CAME_AGAIN):
        return problem
    return ModelProblem(problem.outcome, Why.PAGE_CAME_AGAIN, **reason.told)


def last_search(run: Run, planned: Planned) -> Search | None:
    """What the last search of a model has seen, if it found nothing that counts."""
    place = planned.override.place if planned.override else ""
    try:
        return searches.last(run.project.layout, planned.model, place)
    except OSError:
        return None


def search(run: Run, planned: Planned) -> Record:
    """Search for one model. Raises ModelProblem, whose search is kept then."""
    from comfyfix.stages.search import resolve  # 200 ms that only a search needs

    try:
        return resolve.resolve(planned, run.services())
    except ModelProblem as problem:
        with contextlib.suppress(OSError):
            _keep(run, planned, problem)
        raise


def _keep(run: Run, planned: Planned, problem: Problem) -> None:
    """Keep what a search has seen, unless it has asked nobody. Raises OSError."""
    if isinstance(problem, Unreachable) or not isinstance(problem, ModelProblem):
        return
    if problem.asked:
        place = planned.override.place if planned.override else ""
        told = searches.ended(planned.model, problem, place)
        searches.keep(run.project.layout, planned.model, told, run.services().scrubbed)
