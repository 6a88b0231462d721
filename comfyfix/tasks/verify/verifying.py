"""What the verifying tasks do: batches, what was there before, workflows that can't be read."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec

from doit.exceptions import TaskError, TaskFailed

from comfyfix.disk.files import write_atomic
from comfyfix.errors import ModelProblem, Problem, unwritable
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Opinion, Receipt, Record, Verdict
from comfyfix.screen import words
from comfyfix.screen.run.events import bad_files
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Pending, Planned, Present, stamps
from comfyfix.stages.verdicts import batch
from comfyfix.stages.verdicts.verify import Claims, Manner, joined, verify
from comfyfix.state import receipts
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.verify.aside import set_aside
from comfyfix.why import Why

Arguments = ParamSpec("Arguments")


def _action(stage: Callable[Arguments, object]) -> Callable[Arguments, object]:
    """Turn what the system does not permit into one line: it says nothing against a model."""

    @functools.wraps(stage)
    def action(*arguments: Arguments.args, **named: Arguments.kwargs) -> object:
        try:
            return stage(*arguments, **named)
        except OSError as error:
            return TaskError(words.problem(unwritable(error, "output/")))

    return action


@_action
def verify_batch(run: Run, number: int, members: Sequence[Planned]) -> object:
    """Verify the members of one batch and write its verdicts; of those left out there are none."""
    left_out = {*run.tally.ignored, *run.tally.unpicked, *run.tally.no_room}
    members = [planned for planned in members if planned.model.key not in left_out]
    if not members:
        return None
    # What did not arrive has been told; there is nothing of it to look at.
    unseen = {p.model.key for p in members if _did_not_arrive(run, p)}
    if len(unseen) < len(members):
        run.events.verifying(number, len(members))
    receipts_of = run.receipts.all()
    checked = [(planned, *_checked(run, planned, receipts_of)) for planned in members]
    manifest, verdicts = run.project.manifest, [verdict for _, _, verdict in checked]
    opinions = _opinions(run, number, checked) if manifest.asks_opinions else {}
    content = batch.batch_file(verdicts, manifest.verify.pickle, opinions, words.sentence)
    failed = _tell(run, verdicts, unseen)
    for planned in members:
        opinion = opinions.get(planned.model.key)
        if opinion and not opinion.fits:
            run.events.doubted(planned.model, opinion.reason)
    write_atomic(run.project.layout.batch(number), content)
    return failed


def _checked(
    run: Run, planned: Planned, receipts_of: Mapping[str, Receipt]
) -> tuple[Record | None, Verdict]:
    """Verify one member, by its record where it has one."""
    if planned.problem is not None:
        return None, _not_there(planned, planned.problem)
    key = planned.model.key
    failed = run.tally.failed.get(key)
    record = run.records.get(key) or planned.record
    if record is not None and record.files:
        # What the user was just told to move away is not moved for him.
        moves = failed is not Outcome.CONFLICT
        return record, _whole_verified(run, record, receipts_of, moves=moves)
    receipt = receipts_of.get(key) or planned.receipt
    if planned.pending is Pending.SEARCH_AGAIN and failed:
        receipt = None  # what it is by its receipt is forgotten; it is not ours to replace
    return record, _verified(run, planned.model, planned.path, record, receipt)


def _not_there(planned: Planned, problem: ModelProblem) -> Verdict:
    return Verdict(
        model=planned.model.key,
        filename=planned.model.name,
        path="",
        status="unreachable" if problem.outcome is Outcome.UNREACHABLE else "missing",
        reason=problem.reason,
    )


def _opinions(
    run: Run, number: int, checked: Sequence[tuple[Planned, Record | None, Verdict]]
) -> dict[str, Opinion]:
    """Ask Qwen of single files; what keeps it from an opinion is logged, and changes nothing."""
    from comfyfix.sources.qwen.opinion import NoOpinion  # few want it
    from comfyfix.stages.verdicts import opinion

    files = [
        (planned, record, verdict)
        for planned, record, verdict in checked
        if planned.problem is None and not (record and record.files)
    ]
    try:
        return opinion.of_batch(number, files, run.services())
    except (NoOpinion, OSError) as problem:
        why = problem.reason if isinstance(problem, NoOpinion) else str(problem)
        run.events.no_opinion(number, why)
        return {}


@_action
def verify_present(run: Run, present: Sequence[Present]) -> object:
    """Verify the needed models that were there before, by form, and by receipt where one is."""
    run.events.verifying_present(len(present))
    hashed = _hash_claimed(run, [p for p in present if p.claimed])
    verdicts = []
    for item in present:
        receipt = hashed.get(item.model.key, item.receipt)
        files = [_verified(run, model, path, None, receipt) for model, path in item.members]
        if item.files is None:
            verdicts += files
        elif files:  # of a directory without a model file nothing is to be said
            verdicts.append(joined(item.model, item.path, files))
    rules = batch.rules(run.project.manifest.verify.pickle)
    return _tell(run, verdicts) or {"seen": stamps(present), "rules": rules}


def _hash_claimed(run: Run, present: Sequence[Present]) -> dict[str, Receipt]:
    """Hash what receipts that do not count speak of, and make receipts of our own, by model.

    So the next run knows these files, and with a key of the store every other checkout does.
    """
    if not present:
        return {}
    from comfyfix.tasks.verify.hashing import hashed_together  # a fresh checkout only

    total = sum(p.size for p in present)
    run.events.hashing_claimed(len(present), total)
    begun = time.monotonic()
    made: list[tuple[Model, Receipt]] = []
    hashes = hashed_together(run, {p.path: p.size for p in present})
    for item in present:
        with contextlib.suppress(OSError):
            if digest := hashes.get(item.path):
                receipt = receipts.of_file(
                    item.model, item.path, digest, script="", verified=False, identified=True
                )
                made.append((item.model, receipt))
    run.receipts.save(run.project.folders.store, run.project.trust, made)
    run.events.hashed_claimed(total, time.monotonic() - begun)
    return {model.key: receipt for model, receipt in made}


def _whole_verified(
    run: Run, record: Record, receipts_of: Mapping[str, Receipt], *, moves: bool
) -> Verdict:
    """Verify a directory or a set, file by file."""
    files = [
        _verified(run, m.model, Path(m.destination), m, receipts_of.get(m.model.key), moves=moves)
        for m in record.members
    ]
    return joined(record.model, Path(record.destination), files)


def _verified(
    run: Run,
    model: Model,
    path: Path,
    record: Record | None,
    receipt: Receipt | None,
    *,
    moves: bool = True,
) -> Verdict:
    """Verify one file; a damaged or unsafe one is moved aside and its receipts are dropped."""
    override = run.project.manifest.override_for(model.folder, model.path)
    manner = Manner(pickle=run.project.manifest.verify.pickle, trust=run.project.trust)
    verdict = verify(model, path, Claims(record, receipt, override), manner)
    return set_aside(run, model, verdict, receipt) if moves else verdict


def _did_not_arrive(run: Run, planned: Planned) -> bool:
    """Tell whether a model has failed in this run, and no file of it is there."""
    failed = planned.model.key in run.tally.failed
    return failed and not os.path.lexists(planned.location)


def _tell(run: Run, verdicts: Sequence[Verdict], unseen: Collection[str] = ()) -> TaskFailed | None:
    """Tell the verdicts, but of those that are `unseen`: these are counted alone."""
    run.tally.add_verdicts(verdicts)
    looked_at = [verdict for verdict in verdicts if verdict.model not in unseen]
    if looked_at:
        run.events.verified(looked_at, len(unseen))
    bad = bad_files(verdicts)
    return TaskFailed(bad) if bad else None


def unreadable(run: Run, file: ScannedFile) -> object:
    """Say that a workflow can't be read: what it needs is not known."""
    problem = Problem(Outcome.WORKFLOW, Why.WORKFLOW_UNREADABLE, path=file.path, cause=file.problem)
    run.events.unreadable(problem)
    run.tally.unreadable.append(problem)
    return TaskFailed(words.problem(problem))
