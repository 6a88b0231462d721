"""What the tasks do: each action runs one stage and tells doit how it ended.

An action returns TaskFailed for a problem that a user can act on (exit code 1); anything else
that is raised is an error of ours (exit code 2).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from doit.exceptions import TaskFailed

from comfyfix import ledger, receipts, state
from comfyfix.errors import (
    DownloadFailed,
    GoneAtSource,
    Problem,
    StoreUnwritable,
    WorkflowProblem,
    WrongContent,
)
from comfyfix.files import human_size, printable, sha256_of, write_atomic
from comfyfix.process import require
from comfyfix.records import Attempt, Model, Receipt, Record, Verdict, to_json
from comfyfix.sources import ALL
from comfyfix.stages import fetch as fetch_stage
from comfyfix.stages import render as render_stage
from comfyfix.stages import resolve as resolve_stage
from comfyfix.stages import verify as verify_stage
from comfyfix.stages.plan import UNVERIFIED, Planned, Present, seen
from comfyfix.stages.report import Outcome
from comfyfix.stages.scan import ScannedFile
from comfyfix.tasks.build import Build

TITLES = {source.NAME: source.TITLE for source in ALL}


def _telling(stage: Callable[[Build, Planned], None]) -> Callable[[Build, Planned], object]:
    """Turn a stage's problem into lines for the user, history in the ledger, and TaskFailed."""

    @functools.wraps(stage)
    def action(build: Build, planned: Planned) -> object:
        try:
            stage(build, planned)
        except Problem as problem:
            return _failed(build, planned, problem, searching=stage is _resolve)
        except OSError as error:
            unwritable = StoreUnwritable(
                f"{error.filename or build.layout.output} can't be written",
                cause=error.strerror or str(error),
                next_step="check permissions and free space",
            )
            return _failed(build, planned, unwritable, searching=stage is _resolve)
        return None

    return action


def _failed(build: Build, planned: Planned, problem: Problem, *, searching: bool) -> TaskFailed:
    if build.stopping:
        return TaskFailed("stopped")
    with contextlib.suppress(OSError):
        attempt = Attempt(at=state.now(), outcome=problem.outcome, reason=str(problem))
        ledger.note(build.layout, planned.model, attempt)
    _say(build, planned.model, f"✗ {problem}")
    _settle(build, Outcome(planned.model, problem, searching=searching))
    return TaskFailed(f"{planned.model.key}: {problem}")


def _settle(build: Build, outcome: Outcome) -> None:
    build.tally.add(outcome)
    build.console.settled(outcome.model.key, good=outcome.problem is None)


def _phase(build: Build, planned: Planned, phase: str, size: int | None = None) -> None:
    path = planned.path if phase == "downloading" else None
    build.console.phase(planned.model.key, planned.model.name, phase, size=size, path=path)


def _say(build: Build, model: Model, text: str) -> None:
    build.console.of_model(model.key, model.name, text)


def _short(build: Build, path: str) -> str:
    """A path of the store as people know it, below its root."""
    return path.removeprefix(f"{build.folders.store}/")


def _resolve(build: Build, planned: Planned) -> None:
    with build.searches:
        if build.stopping:
            raise DownloadFailed("Stopped before it began")
        total = len(build.plan.pending)
        build.console.processing(planned.model.name, planned.model.key, total)
        _phase(build, planned, "searching")
        if planned.problem is not None:
            raise planned.problem
        record = planned.record
        if record is None or not resolve_stage.still_wanted(record, planned):
            record = _found_anew(build, planned)
        build.records[planned.model.key] = record


def _found_anew(build: Build, planned: Planned) -> Record:
    record = resolve_stage.resolve(planned, build.services())
    where = _short(build, record.local) if record.local else record.where
    _say(build, planned.model, f"✓ Found {TITLES.get(record.source, record.source)}: {where}")
    if record.renamed and not record.local:
        _say(build, planned.model, f"! Its name there is {printable(record.name)}")
    for remark in record.evidence[1:]:
        _say(build, planned.model, f"! {remark}")
    return record


def _render(build: Build, planned: Planned) -> None:
    """Write record and script; a changed source gets the next number, the old script stays."""
    record = build.records[planned.model.key]
    old = state.read(build.layout.record(record.number, planned.model), Record)
    if old is not None and not old.same_content(record):
        record = _renumbered(build, record)
    text = render_stage.render(record, build.manifest)
    if not render_stage.write(build.layout.script(record.number, planned.model), text):
        record = _renumbered(build, record)
        text = render_stage.render(record, build.manifest)
        render_stage.write(build.layout.script(record.number, planned.model), text)
    # The record last: where there is one, its script is there and complete.
    write_atomic(build.layout.record(record.number, planned.model), to_json(record))
    build.records[planned.model.key] = record
    build.tally.add_script()
    script = build.layout.script(record.number, planned.model)
    build.console.of_model(planned.model.key, "", f"Generated: {script.name}")


def _renumbered(build: Build, record: Record) -> Record:
    number = ledger.renumber(build.layout, record.model)
    return msgspec.structs.replace(record, number=number)


def _fetch(build: Build, planned: Planned) -> None:
    if planned.pending == UNVERIFIED:
        _accept_or_leave(build, planned)
        return
    _phase(build, planned, "waiting", build.records[planned.model.key].size)
    with build.downloads:
        try:
            receipt = _run_script(build, planned)
        except (GoneAtSource, WrongContent) as problem:
            receipt = _once_more(build, planned, problem)
    record = build.records[planned.model.key]
    receipts.save(build.layout, build.folders.store, planned.model, receipt)
    ledger.note(build.layout, planned.model, Attempt(at=state.now(), outcome="done"))
    if record.local:
        _say(build, planned.model, f"✓ Linked: {_short(build, record.local)}")
    else:
        _say(build, planned.model, "✓ Download completed successfully")
    _settle(build, Outcome(planned.model, linked=bool(record.local)))


def _accept_or_leave(build: Build, planned: Planned) -> None:
    """Check a file that came without us; one that is not ours to replace is left alone."""
    _phase(build, planned, "verifying")
    record = build.records[planned.model.key]
    verdict = verify_stage.verify(planned.model, planned.path, record, None)
    if not verdict.good:
        raise WrongContent(
            f"{planned.path} was put there by someone else and is not the file of {record.where}",
            cause=verdict.reason,
            next_step="move it away to fetch the other, or list its name under ignore: to keep it",
        )
    receipt = receipts.of_file(
        planned.model,
        planned.path,
        verdict.sha256 or sha256_of(planned.path),
        script="",
        verified=verdict.status == "ok",
    )
    receipts.save(build.layout, build.folders.store, planned.model, receipt)
    _say(build, planned.model, "✓ It was there already")
    _settle(build, Outcome(planned.model, found=True))


def _run_script(build: Build, planned: Planned) -> Receipt:
    if build.stopping:
        raise DownloadFailed("Stopped before it began")
    record = build.records[planned.model.key]
    script = build.layout.script(record.number, planned.model)
    require("bash", *([] if record.local else ["curl"]))
    fetch_stage.require_contained(record, build.folders)
    size = f" ({human_size(record.size)})" if record.size else ""
    build.console.of_model(planned.model.key, "", f"Executing download: {script.name}{size}")
    _phase(build, planned, "downloading", record.size)
    env = fetch_stage.environment(
        build.environ,
        record,
        build.services().manifest.endpoints,
        build.tokens,
        demo=build.manifest.is_demo,
    )

    def on_line(line: str) -> None:
        build.console.log(f"{script.name}: {line}")
        if line.startswith(("Waiting:", "Moved a wrong file", "Trying again")):
            _say(build, planned.model, f"! {line}")

    return fetch_stage.fetch(record, script, build.children, env, on_line)


def _once_more(build: Build, planned: Planned, problem: DownloadFailed) -> Receipt:
    """Search again after 404, 410 or wrong content; the record that led there is worth nothing."""
    old = build.records[planned.model.key]
    build.layout.record(old.number, planned.model).unlink(missing_ok=True)
    if planned.record is None:
        raise problem  # it was found a moment ago: searching again would find the same
    _say(build, planned.model, f"! {problem.what}; searching again")
    record = _found_anew(build, planned)
    if record.same_content(old):
        raise problem
    build.records[planned.model.key] = _renumbered(build, record)
    _render(build, planned)
    try:
        return _run_script(build, planned)
    except (GoneAtSource, WrongContent):
        new = build.records[planned.model.key]
        build.layout.record(new.number, planned.model).unlink(missing_ok=True)
        raise


resolve = _telling(_resolve)
render = _telling(_render)
fetch = _telling(_fetch)


def verify_batch(build: Build, number: int, members: Sequence[Planned]) -> object:
    """Verify the members of one batch and write its verdicts."""
    count = _count(len(members))
    build.console.line(f"Verifying batch {number:03d} ({count})")
    verdicts = []
    known = receipts.load(build.layout)
    for planned in members:
        if planned.problem is not None:
            verdicts.append(
                Verdict(
                    model=planned.model.key,
                    filename=planned.model.name,
                    path="",
                    status="missing",
                    reason=planned.problem.outcome,
                )
            )
            continue
        record = build.records.get(planned.model.key) or planned.record
        receipt = known.get(planned.model.key) or planned.receipt
        verdicts.append(_verified(build, planned.model, planned.path, record, receipt))
    write_atomic(build.layout.batch(number), verify_stage.batch_file(verdicts))
    return _told(build, verdicts)


def verify_present(build: Build, present: Sequence[Present]) -> object:
    """Verify the needed models that were there before, by form, and by receipt where one is."""
    build.console.line(f"Verifying what was there before ({_count(len(present))})")
    verdicts = [_verified(build, p.model, p.path, None, p.receipt) for p in present]
    failed = _told(build, verdicts)
    return failed if failed is not None else {"seen": seen(present)}


def _verified(
    build: Build, model: Model, path: Path, record: Record | None, receipt: Receipt | None
) -> Verdict:
    override = build.manifest.override_for(model.folder, model.path)
    told = override.sha256.lower() if override and override.sha256 else None
    verdict = verify_stage.verify(model, path, record, receipt, sha256=told)
    if verdict.good or verdict.status == "missing":
        return verdict
    moved = verify_stage.move_aside(verdict, receipt)
    if moved.moved_to:
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
        build.console.line(f"  ! In order, without a published hash: {_count(unproven)}")
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
