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
    came_before = last and last.why in (Why.PAGE_CAME, Why.PAGE_CAME_AGAIN)
    if reason.why == Why.PAGE_CAME and came_before:
        return ModelProblem(problem.outcome, Why.PAGE_CAME_AGAIN, **reason.told)
    return problem


def last_search(run: Run, planned: Planned) -> Search | None:
    """What the last search of a model has seen, if it found nothing that counts."""
    try:
        return searches.last(run.project.layout, planned.model, _place(planned))
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
    if isinstance(problem, ModelProblem) and problem.asked and not isinstance(problem, Unreachable):
        ended = searches.ended(planned.model, problem, _place(planned))
        searches.keep(run.project.layout, planned.model, ended, run.services().scrubbed)


def _place(planned: Planned) -> str:
    """The address that the user has named, empty for none."""
    return planned.override.place if planned.override else ""
