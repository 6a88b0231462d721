"""What the verifying tasks do: batches, what was there before, workflows that can't be read."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec

from doit.exceptions import TaskError, TaskFailed

from comfyfix.disk.files import write_atomic
from comfyfix.errors import Problem, unwritable
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Opinion, Receipt, Record, Verdict
from comfyfix.screen import words
from comfyfix.screen.events import bad_files
from comfyfix.stages import batch
from comfyfix.stages.scan import ScannedFile
from comfyfix.stages.verify import Known, Manner, verify
from comfyfix.stages.work import Planned, Present, seen
from comfyfix.state import receipts
from comfyfix.tasks.aside import set_aside
from comfyfix.tasks.build import Build
from comfyfix.why import Why

Of = ParamSpec("Of")


def _telling(action: Callable[Of, object]) -> Callable[Of, object]:
    """Turn what the system does not permit into one line: it says nothing against a model."""

    @functools.wraps(action)
    def told(*arguments: Of.args, **named: Of.kwargs) -> object:
        try:
            return action(*arguments, **named)
        except OSError as error:
            return TaskError(words.problem(unwritable(error, "output/")))

    return told


@_telling
def verify_batch(build: Build, number: int, members: Sequence[Planned]) -> object:
    """Verify the members of one batch and write its verdicts."""
    build.events.verifying(number, len(members))
    verdicts: list[Verdict] = []
    files: list[tuple[Planned, Record | None, Verdict]] = []
    known = receipts.load(build.layout)
    for planned in members:
        if planned.problem is not None:
            verdicts.append(
                Verdict(
                    model=planned.model.key,
                    filename=planned.model.name,
                    path="",
                    status="unreachable" if _is_unreachable(planned) else "missing",
                    reason=planned.problem.reason,
                )
            )
            continue
        record = build.records.get(planned.model.key) or planned.record
        receipt = known.get(planned.model.key) or planned.receipt
        verdicts.append(verified(build, planned.model, planned.path, record, receipt))
        files.append((planned, record, verdicts[-1]))
    opinions = _opinions(build, number, files) if build.manifest.verify.qwen else {}
    pickle = build.manifest.verify.pickle
    content = batch.batch_file(verdicts, pickle, opinions, words.sentence)
    failed = _told(build, verdicts)
    for planned, _, _ in files:
        opinion = opinions.get(planned.model.key)
        if opinion and not opinion.fits:
            build.events.doubted(planned.model, opinion.reason)
    write_atomic(build.layout.batch(number), content)
    return failed


def _opinions(
    build: Build, number: int, files: Sequence[tuple[Planned, Record | None, Verdict]]
) -> dict[str, Opinion]:
    """Ask Qwen; whatever keeps it from an opinion is a line in the log, and changes nothing."""
    from comfyfix.sources.qwen.opinion import NoOpinion  # noqa: PLC0415 - few want it
    from comfyfix.stages import opinion  # noqa: PLC0415 - the same

    try:
        return opinion.of_batch(number, files, build.services())
    except (NoOpinion, OSError) as problem:
        why = problem.reason if isinstance(problem, NoOpinion) else str(problem)
        build.events.no_opinion(number, why)
        return {}


def _is_unreachable(planned: Planned) -> bool:
    return planned.problem is not None and planned.problem.outcome is Outcome.UNREACHABLE


@_telling
def verify_present(build: Build, present: Sequence[Present]) -> object:
    """Verify the needed models that were there before, by form, and by receipt where one is."""
    build.events.verifying_present(len(present))
    seen_now = hash_claimed(build, [p for p in present if p.claimed])
    verdicts = [
        verified(build, p.model, p.path, None, seen_now.get(p.model.key, p.receipt))
        for p in present
    ]
    failed = _told(build, verdicts)
    told = {"seen": seen(present), "rules": batch.rules(build.manifest.verify.pickle)}
    return failed if failed is not None else told


def hash_claimed(build: Build, present: Sequence[Present]) -> dict[str, Receipt]:
    """Hash what receipts that do not count speak of, and make receipts of our own, by model.

    So the next run knows these files, and with a key of the store every other checkout does.
    """
    if not present:
        return {}
    from comfyfix.tasks.side_by_side import hashed_together  # noqa: PLC0415 - a fresh checkout only

    total = sum(p.size for p in present)
    build.events.hashing_claimed(len(present), total)
    begun = time.monotonic()
    made: dict[str, Receipt] = {}
    found = hashed_together(build, [(p.path, p.size) for p in present])
    for item in present:
        digest = found.get(item.path)
        with contextlib.suppress(OSError):
            if digest:
                made[item.model.key] = receipts.of_file(
                    item.model, item.path, digest, script="", verified=False, identified=True
                )
    models = {p.model.key: p.model for p in present}
    kept = [(models[key], receipt) for key, receipt in made.items()]
    receipts.save(build.layout, build.folders.store, build.trust, kept)
    build.events.hashed_claimed(total, time.monotonic() - begun)
    return made


def verified(
    build: Build,
    model: Model,
    path: Path,
    record: Record | None,
    receipt: Receipt | None,
) -> Verdict:
    """Verify one file; a damaged or unsafe one is moved aside and its receipts are dropped."""
    override = build.manifest.override_for(model.folder, model.path)
    told = override.digest if override else None
    manner = Manner(pickle=build.manifest.verify.pickle, trust=build.trust)
    verdict = verify(model, path, Known(record, receipt, told), manner)
    return set_aside(build, model, verdict, receipt)


def _told(build: Build, verdicts: Sequence[Verdict]) -> TaskFailed | None:
    build.tally.add_verdicts(verdicts)
    build.events.verified(verdicts)
    bad = bad_files(verdicts)
    return TaskFailed(bad) if bad else None


def unreadable(build: Build, file: ScannedFile) -> object:
    """Say that a workflow can't be read: what it needs is not known."""
    problem = Problem(Outcome.WORKFLOW, Why.WORKFLOW_UNREADABLE, path=file.path, cause=file.problem)
    build.events.unreadable(problem)
    build.tally.unreadable += 1
    return TaskFailed(words.problem(problem))
