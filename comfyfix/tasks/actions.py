"""What a download task does: each action runs one stage and tells doit how it ended.

An action returns TaskFailed for a problem that a user can act on (exit code 1); anything else
that is raised is an error of ours (exit code 2).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable

import msgspec
from doit.exceptions import TaskFailed

from comfyfix.disk import json_file
from comfyfix.disk.files import human_size, printable, sha256_of, write_atomic
from comfyfix.errors import DownloadFailed, GoneAtSource, Problem, StoreUnwritable, WrongContent
from comfyfix.process import require
from comfyfix.records import Attempt, Model, Receipt, Record, to_json
from comfyfix.screen import words
from comfyfix.script import render as render_stage
from comfyfix.script.channel import Told
from comfyfix.sources import ALL
from comfyfix.stages import fetch as fetch_stage
from comfyfix.stages import resolve as resolve_stage
from comfyfix.stages import verify as verify_stage
from comfyfix.stages.report import Outcome
from comfyfix.stages.work import UNVERIFIED, Planned
from comfyfix.state import ledger, receipts
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
            unwritable = StoreUnwritable.of(error, build.layout.output)
            return _failed(build, planned, unwritable, searching=stage is _resolve)
        return None

    return action


def _failed(build: Build, planned: Planned, problem: Problem, *, searching: bool) -> TaskFailed:
    if build.stopping:
        return TaskFailed("stopped")
    with contextlib.suppress(OSError):
        attempt = Attempt(at=json_file.now(), outcome=problem.outcome, reason=str(problem))
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
    if record.renamed and not record.local and record.name != planned.model.name:
        _say(build, planned.model, f"! Its name there is {printable(record.name)}")
    if record.note:
        _say(build, planned.model, f"! {words.sentence(record.note)}")
    return record


def _render(build: Build, planned: Planned) -> None:
    """Write record and script; a changed source gets the next number, the old script stays."""
    record = build.records[planned.model.key]
    old = json_file.read(build.layout.record(record.number, planned.model), Record)
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
    with fetch_stage.Slot(build.downloads) as slot:
        try:
            receipt = _run_script(build, planned, slot)
        except (GoneAtSource, WrongContent) as problem:
            receipt = _once_more(build, planned, problem, slot)
    record = build.records[planned.model.key]
    _keep(build, planned, receipt)
    if record.local:
        _renew(build, record.local, receipt)
    ledger.note(build.layout, planned.model, Attempt(at=json_file.now(), outcome="done"))
    if record.local:
        _say(build, planned.model, f"✓ Linked: {_short(build, record.local)}")
    else:
        _say(build, planned.model, "✓ Download completed successfully")
    licence = None if record.local else record.licence
    _settle(build, Outcome(planned.model, linked=bool(record.local), licence=licence))


def _accept_or_leave(build: Build, planned: Planned) -> None:
    """Check a file that came without us; one that is not ours to replace is left alone."""
    _phase(build, planned, "verifying")
    record = build.records[planned.model.key]
    verdict = verify_stage.verify(
        planned.model,
        planned.path,
        record,
        None,
        pickle=build.manifest.verify.pickle,
        trust=build.trust,
    )
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
    _keep(build, planned, receipt)
    _say(build, planned.model, "✓ It was there already")
    _settle(build, Outcome(planned.model, found=True))


def _keep(build: Build, planned: Planned, receipt: Receipt) -> None:
    receipts.save(build.layout, build.folders.store, build.trust, [(planned.model, receipt)])


def _renew(build: Build, path: str, made: Receipt) -> None:
    """A link to a file changes its ctime; its script has just seen that the bytes are the same."""
    for key, old in receipts.load(build.layout).items():
        if old.path == path and old.sha256 == made.sha256 and old.inode == made.inode:
            folder, _, name = key.partition("/")
            model = Model(folder=folder, path=name)
            info = msgspec.structs.replace(old, ctime_ns=made.ctime_ns)
            receipts.save(build.layout, build.folders.store, build.trust, [(model, info)])


def _run_script(build: Build, planned: Planned, slot: fetch_stage.Slot) -> Receipt:
    if build.stopping:
        raise DownloadFailed("Stopped before it began")
    record = build.records[planned.model.key]
    script = build.layout.script(record.number, planned.model)
    require("bash", *([] if record.local else ["curl"]))
    folder = fetch_stage.real_folder(record.model, record.destination, build.folders)
    size = f" ({human_size(record.size)})" if record.size else ""
    build.console.of_model(planned.model.key, "", f"Executing download: {script.name}{size}")
    _phase(build, planned, "downloading", record.size)
    env = fetch_stage.environment(
        build.environ,
        record,
        build.services().manifest.endpoints,
        build.tokens,
        folder=folder,
        demo=build.manifest.is_demo,
    )

    def hear(said: str | Told) -> None:
        if isinstance(said, str):
            build.console.log(f"{script.name}: {said}")
        elif said.kind == "note":
            _say(build, planned.model, f"! {said.fields[0]}")
        elif said.kind == "waiting":
            _say(build, planned.model, f"! Waiting: {said.fields[0]}")
            _phase(build, planned, "waiting", record.size)
        elif said.kind == "waited":
            _phase(build, planned, "downloading", record.size)

    pickle = build.manifest.verify.pickle
    return fetch_stage.fetch(
        record,
        script,
        build.children,
        env,
        hear,
        slot=slot,
        pickle=pickle,
        signs=bool(build.trust.key),
    )


def _once_more(
    build: Build, planned: Planned, problem: DownloadFailed, slot: fetch_stage.Slot
) -> Receipt:
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
        return _run_script(build, planned, slot)
    except (GoneAtSource, WrongContent):
        new = build.records[planned.model.key]
        build.layout.record(new.number, planned.model).unlink(missing_ok=True)
        raise


resolve = _telling(_resolve)
render = _telling(_render)
fetch = _telling(_fetch)
