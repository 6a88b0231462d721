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
    """The verdict of each file, and the rules of the policy that are broken."""

    verdicts: Sequence[Verdict]
    rules: Sequence[Rule] = ()
    failed: bool = False


def verify_needed(runs: Sequence[Run], wish: Wish, names: Sequence[str]) -> Checked:
    """Verify and print a line per model. Raises SetupProblem and Stopped."""
    models = keys_by_run(runs, names) if names else dict.fromkeys(runs)
    checked = [_verify(run, wish, keys) for run, keys in models.items()]
    return Checked(
        [verdict for project in checked for verdict in project.verdicts],
        [rule for project in checked for rule in project.rules],
        failed=any(project.failed for project in checked),
    )


def _verify(run: Run, wish: Wish, named: Sequence[str] | None) -> Checked:
    """Verify the models of a project that are named; None: all that it needs."""
    run.set_right()
    say(*project_heading(run.prefix))
    lacking: list[Verdict] = []  # models that can have no file of ours: nothing to look at
    for item in run.project.plan.models:
        if item.problem is not None and (named is None or item.model.key in named):
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
    needed = sweep.needed(run.project.manifest, run.project.plan, run.project.layout)
    opened = opened_in(run)
    keys = needed if named is None else named
    choices = [choice for key in keys for choice in needed.get(key, ())]
    check = Check(run, list(opened.with_copies(choices)), wish)
    check.verify_all()
    notes.unreadable(run.project.plan.unreadable)
    for problem in check.problems:
        notes.remark(problem)
    rules = list(_broken_rules(run, choices))
    if named is None:
        rules += [("", run.policy.with_line(*rule)) for rule in run.policy.broken_by_all()]
    say(*(checking.against_policy(model, rule) for model, rule in rules))
    count = check.count + Counter(verdict.status for verdict in lacking)
    copies = check.bad_copies
    say(checking.needed(count, fetchable=check.bad > copies, copies=copies > 0))
    failed = check.bad or lacking or rules or run.project.plan.unreadable
    return Checked([*lacking, *check.verdicts], rules, failed=bool(failed))


def _broken_rules(run: Run, choices: Sequence[Choice]) -> Iterator[Rule]:
    """The rules of the policy that what is there breaks, with their places."""
    policy = run.project.manifest.policy
    for choice in choices:
        if not choice.size:
            continue  # it is not there
        if choice.record is not None:
            rules = broken(policy, choice.record)
        else:
            rules = broken_by_files(policy, [(choice.model.name, choice.size)])
        yield from ((choice.model.key, run.policy.with_line(*rule)) for rule in rules)
