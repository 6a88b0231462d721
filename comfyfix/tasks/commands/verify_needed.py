"""`verify [MODEL…]`: the needed models that are there, whoever has brought them."""

from __future__ import annotations

from collections.abc import Sequence

from comfyfix.screen import checking, notes
from comfyfix.screen.text import say
from comfyfix.stages import sweep
from comfyfix.tasks.commands.base import project_heading
from comfyfix.tasks.names import chosen
from comfyfix.tasks.running import Run
from comfyfix.tasks.side_by_side import Check, Wish


def verify_needed(runs: Sequence[Run], wish: Wish, names: Sequence[str]) -> int:
    """Verify and print a line per model; returns the exit code. Raises SetupProblem and Stopped."""
    asked = chosen(runs, names) if names else {run: [] for run in runs}
    return max(_verify(run, wish, names, keys) for run, keys in asked.items())


def _verify(run: Run, wish: Wish, names: Sequence[str], asked: Sequence[str]) -> int:
    run.set_right()
    say(*project_heading(run.prefix))
    lacking = 0  # models that can have no file of ours: there is nothing to look at
    for item in run.project.plan.models:
        if item.problem is not None and (not names or item.model.key in asked):
            say(checking.lacking(item.model.key, item.problem))
            lacking += 1
    every = sweep.needed(run.project.manifest, run.project.plan, run.project.layout)
    keys = asked if names else every
    check = Check(run, [choice for key in keys for choice in every.get(key, ())], wish)
    check.verify_all()
    notes.unreadable(run.project.plan.unreadable)
    for problem in check.problems:
        notes.remark(problem)
    bad = check.bad + lacking
    say(checking.needed(check.good, bad, fetchable=check.bad > 0))
    return 1 if bad or run.project.plan.unreadable else 0
