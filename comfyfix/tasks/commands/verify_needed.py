"""`verify [MODEL…]`: the needed models that are there, whoever has brought them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from comfyfix.records import Reason, Verdict
from comfyfix.screen import notes
from comfyfix.screen.commands import checking
from comfyfix.screen.text import say
from comfyfix.stages.plan.policy import broken, broken_by_files
from comfyfix.stages.store import sweep
from comfyfix.stages.store.sweep import Choice
from comfyfix.tasks.commands.base import project_heading
from comfyfix.tasks.run.names import keys_by_run
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store.in_tier import opened_in
from comfyfix.tasks.verify.side_by_side import Check, Wish

Rule = tuple[str, Reason]
"""A model that breaks a rule (none: all of them together), and which rule, where it stands."""


class Checked(NamedTuple):
    """What was told: of each file, and of each rule of the policy that one breaks."""

    verdicts: Sequence[Verdict]
    rules: Sequence[Rule] = ()


def verify_needed(runs: Sequence[Run], wish: Wish, names: Sequence[str]) -> tuple[int, Checked]:
    """Verify and print a line per model; returns the exit code, and what was told.

    Raises SetupProblem and Stopped.
    """
    asked = keys_by_run(runs, names) if names else {run: [] for run in runs}
    done = [_verify(run, wish, names, keys) for run, keys in asked.items()]
    verdicts = [each for _, told in done for each in told.verdicts]
    rules = [each for _, told in done for each in told.rules]
    return max(code for code, _ in done), Checked(verdicts, rules)


def _verify(
    run: Run, wish: Wish, names: Sequence[str], asked: Sequence[str]
) -> tuple[int, Checked]:
    run.set_right()
    say(*project_heading(run.prefix))
    lacking: list[Verdict] = []  # models that can have no file of ours: nothing to look at
    for item in run.project.plan.models:
        if item.problem is not None and (not names or item.model.key in asked):
            say(checking.lacking(item.model.key, item.problem))
            lacking.append(
                Verdict(
                    model=item.model.key,
                    filename=item.model.name,
                    path="",
                    status="missing",
                    reason=item.problem.reason,
                )
            )
    every = sweep.needed(run.project.manifest, run.project.plan, run.project.layout)
    opened = opened_in(run)
    keys = asked if names else every
    choices = [choice for key in keys for choice in every.get(key, ())]
    check = Check(run, list(opened.with_copies(choices)), wish)
    check.verify_all()
    notes.unreadable(run.project.plan.unreadable)
    for problem in check.problems:
        notes.remark(problem)
    rules = list(_rules(run, [one for key in keys for one in every.get(key, ())], names))
    say(*(checking.against_policy(model, told) for model, told in rules))
    count = check.count + Counter(each.status for each in lacking)
    copies = check.bad_copies
    say(checking.needed(count, fetchable=check.bad > copies, copies=copies > 0))
    failed = check.bad or lacking or rules or run.project.plan.unreadable
    return int(bool(failed)), Checked([*lacking, *check.verdicts], rules)


def _rules(run: Run, choices: Sequence[Choice], names: Sequence[str]) -> Iterator[Rule]:
    """The rules of the policy that what is there breaks, with their places."""
    policy = run.project.manifest.policy
    for choice in (one for one in choices if one.size):  # what is there
        if choice.record is not None:
            found = broken(policy, choice.record)
        else:
            found = broken_by_files(policy, [(choice.model.name, choice.size)])
        yield from ((choice.model.key, run.policy.with_line(*rule)) for rule in found)
    if not names:
        yield from (("", run.policy.with_line(*rule)) for rule in run.policy.broken_by_all())
