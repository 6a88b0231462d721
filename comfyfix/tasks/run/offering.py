"""The end of a run on a terminal: what stayed uncertain may be chosen at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from comfyfix.errors import SetupProblem
from comfyfix.screen.run import choosing
from comfyfix.screen.text import say
from comfyfix.stages.needs.work import Planned
from comfyfix.state.searches import Search
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.run import pinning, tried
from comfyfix.tasks.run.running import Run


def pin_chosen(runs: Sequence[Run]) -> list[str]:
    """Offer a choice for each uncertain model, and pin what is chosen; returns its tasks."""
    uncertain = [choice for run in runs for choice in _uncertain(run)]
    say("")
    if not uncertain or not choosing.wants_to_choose(len(uncertain)):
        return []
    tasks = []
    for run, planned, search in uncertain:
        say("", *choosing.lines(planned.model, search))
        number = choosing.ask_number(len(search.candidates))
        if number and pinning.pin_for_next(run, planned, search.candidates[number - 1]):
            tasks.append(run.task("download", planned.task))
    return tasks


def have_mended_all(runs: Sequence[Run], tasks: Sequence[str], loader: Any) -> bool:
    """Tell whether nothing else was amiss in the runs than what these tasks have mended."""
    if inside_doit.has_others(loader):
        return False  # a task of the user's own may have failed
    for run in runs:
        tally = run.tally
        failed = {ending.model.key for ending in tally.endings if ending.problem is not None}
        failed |= {verdict.model for verdict in tally.bad_verdicts}
        mended = {p.model.key for p in run.pending if run.task("download", p.task) in tasks}
        amiss = (tally.no_room, tally.unreadable, run.whole and run.refusals)
        if failed - mended or any(amiss):
            return False
    return True


def _uncertain(run: Run) -> Iterator[tuple[Run, Planned, Search]]:
    """The models that a run has found several files for, and those files."""
    endings = run.tally.failures(searching=True)
    keys = {ending.model.key for ending in endings if ending.problem and ending.problem.choices}
    for planned in run.pending:
        search = tried.last_search(run, planned) if planned.model.key in keys else None
        if search is None or not search.candidates:
            continue
        try:
            pinning.pinnable([run], run.task("download", planned.task))
        except SetupProblem:
            continue  # where no pin can settle it; its own line has said what can
        yield run, planned, search
