"""What the verifying tasks do: batches, what was there before, workflows that can't be read."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec

from doit.exceptions import TaskError, TaskFailed

from comfyfix.disk.files import human_size, write_atomic
from comfyfix.errors import StoreUnwritable, Unreachable, WorkflowProblem
from comfyfix.records import Model, Opinion, Receipt, Record, Verdict
from comfyfix.stages import batch
from comfyfix.stages import verify as verify_stage
from comfyfix.stages.scan import ScannedFile
from comfyfix.stages.work import Planned, Present, seen
from comfyfix.state import receipts
from comfyfix.tasks.build import Build

Of = ParamSpec("Of")
_REMEDIES = (
    "Next time at once: set COMFYFIX_STORE_KEY for all who write to the store, "
    "or `verify: {receipts: trust}` if only you do"
)


def _telling(action: Callable[Of, object]) -> Callable[Of, object]:
    """Turn what the system does not permit into one line: it says nothing against a model."""

    @functools.wraps(action)
    def told(*arguments: Of.args, **named: Of.kwargs) -> object:
        try:
            return action(*arguments, **named)
        except OSError as error:
            return TaskError(str(StoreUnwritable.of(error, "output/")))

    return told


@_telling
def verify_batch(build: Build, number: int, members: Sequence[Planned]) -> object:
    """Verify the members of one batch and write its verdicts."""
    count = _count(len(members))
    build.console.line(f"Verifying batch {number:03d} ({count})")
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
                    status="unreachable" if isinstance(planned.problem, Unreachable) else "missing",
                    reason=planned.problem.outcome,
                )
            )
            continue
        record = build.records.get(planned.model.key) or planned.record
        receipt = known.get(planned.model.key) or planned.receipt
        verdicts.append(verified(build, planned.model, planned.path, record, receipt))
        files.append((planned, record, verdicts[-1]))
    opinions = _opinions(build, number, files) if build.manifest.verify.qwen else {}
    content = batch.batch_file(verdicts, build.manifest.verify.pickle, opinions)
    failed = _told(build, verdicts)
    for planned, _, _ in files:
        opinion = opinions.get(planned.model.key)
        if opinion and not opinion.fits:
            build.console.line(f"  ! Qwen doubts {planned.model.name}: {opinion.reason}")
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
        build.console.log(f"Qwen has no opinion on batch {number:03d}: {problem}")
        return {}


@_telling
def verify_present(build: Build, present: Sequence[Present]) -> object:
    """Verify the needed models that were there before, by form, and by receipt where one is."""
    build.console.line(f"Verifying what was there before ({_count(len(present))})")
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

    total = human_size(sum(p.size for p in present))
    build.console.line(
        f"  Receipts of others do not count: hashing {_count(len(present))}, {total}"
    )
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
    build.console.line(f"  Hashed {total} in {time.monotonic() - begun:.1f} s. {_REMEDIES}")
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
    verdict = verify_stage.verify(
        model,
        path,
        record,
        receipt,
        sha256=told,
        pickle=build.manifest.verify.pickle,
        trust=build.trust,
    )
    return set_aside(build, model, verdict, receipt)


def set_aside(build: Build, model: Model, verdict: Verdict, receipt: Receipt | None) -> Verdict:
    """Move a damaged or unsafe file aside, and drop its receipts."""
    if verdict.good or verdict.status in ("missing", "unreachable"):
        return verdict
    moved = verify_stage.move_aside(verdict, receipt)
    if moved.moved_to:
        with contextlib.suppress(OSError):  # without the file they say nothing
            receipts.forget(build.layout, build.folders.store, model)
    return moved


def _told(build: Build, verdicts: Sequence[Verdict]) -> TaskFailed | None:
    build.tally.add_verdicts(verdicts)
    proven = sum(v.status == "ok" for v in verdicts)
    unproven = sum(v.status == "unverified" for v in verdicts)
    bad = [v for v in verdicts if not v.good]
    if proven:
        build.console.line(f"  ✓ Verified: {_count(proven)}")
    if unproven:
        build.console.line(f"  ! In order as far as can be seen: {_count(unproven)}")
    for verdict in bad:
        build.console.line(f"  ✗ {verdict.filename}: {verdict.status} ({verdict.reason})")
    if bad:
        return TaskFailed("; ".join(f"{v.model}: {v.status} ({v.reason})" for v in bad))
    return None


def _count(number: int) -> str:
    return f"{number} model" if number == 1 else f"{number} models"


def unreadable(build: Build, file: ScannedFile) -> object:
    """Say that a workflow can't be read: what it needs is not known."""
    problem = WorkflowProblem(
        f"The workflow {file.path} can't be read",
        cause=file.problem,
        next_step="save it again in ComfyUI, or take it out of `workflows:`",
    )
    build.console.line(f"✗ {problem}")
    build.tally.unreadable += 1
    return TaskFailed(str(problem))
