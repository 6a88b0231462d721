"""What a download task does: each action runs one stage and tells doit how it ended.

An action returns TaskFailed for a problem that a user can act on (exit code 1); anything else
that is raised is an error of ours (exit code 2).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from doit.exceptions import TaskFailed

from comfyfix.disk import json_file
from comfyfix.disk.files import sha256_of
from comfyfix.errors import ModelProblem, Problem, unwritable
from comfyfix.outcomes import SEARCH_AGAIN, Came, Outcome
from comfyfix.records import Attempt, Model, Receipt, Record, Verdict
from comfyfix.screen import words
from comfyfix.stages.download import written
from comfyfix.stages.download.slots import Slot
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.plan.fitting import space_of
from comfyfix.stages.reports.tally import Ending
from comfyfix.stages.search import resolve as resolve_stage
from comfyfix.stages.verdicts.verify import Claims, Manner, joined, verify
from comfyfix.state import ledger, receipts
from comfyfix.tasks.downloads import elsewhere
from comfyfix.tasks.downloads.meanwhile import Others, of_others
from comfyfix.tasks.downloads.scripts import phase, run_script
from comfyfix.tasks.run import tried
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


def _action(
    stage: Callable[[Run, Planned], None], *, searches: bool = False
) -> Callable[[Run, Planned], object]:
    """Turn a stage's problem into lines for the user, history in the ledger, and TaskFailed."""

    @functools.wraps(stage)
    def action(run: Run, planned: Planned) -> object:
        try:
            stage(run, planned)
        except Problem as problem:
            return _failed(run, planned, problem, searching=searches)
        except OSError as error:
            lost = unwritable(error, run.project.layout.output)
            return _failed(run, planned, lost, searching=searches)
        return None

    return action


def _failed(run: Run, planned: Planned, problem: Problem, *, searching: bool) -> TaskFailed:
    if run.stopping:
        return TaskFailed("stopped")
    problem = tried.seen_before(planned, problem)
    tried.note(run, planned, problem)
    run.events.failed(planned.model, problem)
    requests = run.search_of(planned).requests if searching else 0
    _settle(run, Ending(planned.model, problem, searching=searching, requests=requests))
    return TaskFailed(f"{planned.model.key}: {words.problem(problem)}")


def _settle(run: Run, ending: Ending) -> None:
    run.tally.add(ending)
    run.console.settled(ending.model.key, good=ending.problem is None)


def _resolve(run: Run, planned: Planned) -> None:
    search = run.search_of(planned)
    record = search.finish(functools.partial(_begin, run, planned))
    if search.anew:
        run.events.found(record)
    run.policy.require(record)
    run.records[planned.model.key] = record
    run.expect(planned)


def _begin(run: Run, planned: Planned) -> None:
    run.go_on()
    run.console.processing(planned.model.name, planned.model.key, run.total)
    phase(run, planned, "searching")


def _render(run: Run, planned: Planned) -> None:
    if planned.pending is None:
        return  # `--always-execute`: all of it is there
    project, key = run.project, planned.model.key
    # The rest of the disk is kept for what the user has agreed to.
    if run.room is not None and not run.room.take(space_of(planned, run.records[key])):
        raise ModelProblem(Outcome.DISK_FULL, Why.NO_ROOM_KEPT)
    record = written.write(
        project.layout, project.manifest, run.records[key], run.events.engine_replaced
    )
    run.records[key] = record
    run.tally.add_script()
    run.events.scripted(planned.model, project.layout.script(record.number, planned.model).name)


def _fetch(run: Run, planned: Planned) -> None:
    # The script of several files leaves those that are right, and replaces none.
    is_there = planned.pending in (Pending.UNVERIFIED, Pending.SEARCH_AGAIN)
    if is_there and not planned.is_whole:
        _accept_or_leave(run, planned)
        return
    if planned.pending is None and _still_right(run, planned):
        return
    phase(run, planned, "waiting", run.records[planned.model.key].size)
    with elsewhere.slot(run, run.records[planned.model.key]) as slot:
        others = of_others(run, planned, slot)
        receipt = others.receipt or _fetched(run, planned, slot, others)
    record = run.records[planned.model.key]
    if record.local and not record.lent:
        _renew(run, record.local, receipt)
    came = _came(run, planned, record, receipt)
    attempt = Attempt(at=json_file.now(), outcome=Outcome.DONE, came=came)
    ledger.note(run.project.layout, planned.model, attempt, run.began)
    run.events.fetched(record, receipt, came)
    by_us = came in (Came.FETCHED, Came.COPIED) and not record.local
    licence = record.licence if by_us else None
    mirror = run.mirrored.get(planned.model.key, "") if came is Came.FETCHED else ""
    ending = Ending(planned.model, came=came, licence=licence, size=receipt.size, mirror=mirror)
    _settle(run, ending)


def _fetched(run: Run, planned: Planned, slot: Slot, others: Others) -> Receipt:
    """Let the script bring the file, and keep its receipt."""
    try:
        receipt = run_script(run, planned, slot, others)
    except ModelProblem as problem:
        if problem.outcome not in SEARCH_AGAIN:
            raise
        receipt = _once_more(run, planned, problem, slot)
    _keep(run, planned, receipt)
    return receipt


def _came(run: Run, planned: Planned, record: Record, receipt: Receipt) -> Came:
    """How a file came whose script has ended well: only what a script has put there is its own."""
    if not run.brought[planned.model.key]:
        lacked = planned.pending in (Pending.ABSENT, Pending.EMPTY, Pending.INCOMPLETE)
        return Came.OTHERS if lacked else Came.THERE
    if receipt.origin:
        return Came.COPIED
    return Came.LINKED if record.local else Came.FETCHED


def _verdicts(run: Run, planned: Planned, *, anew: bool) -> Iterator[Verdict]:
    """Check the files of a model that are there: `anew` also by their receipts."""
    phase(run, planned, "verifying")
    manner = Manner(run.project.manifest.verify.pickle, run.project.trust, anew=anew)
    record = run.records[planned.model.key]
    receipts_of = run.receipts.all() if anew and record.files else {}
    for member in record.members:
        receipt = receipts_of.get(member.model.key, planned.receipt) if anew else None
        yield verify(member.model, _place(planned, member), Claims(member, receipt), manner)


def _still_right(run: Run, planned: Planned) -> bool:
    """Check a file that was in order when the run began: `-a` fetches nothing twice."""
    if not all(verdict.good for verdict in _verdicts(run, planned, anew=True)):
        return False
    _settle_as_there(run, planned)
    return True


def _accept_or_leave(run: Run, planned: Planned) -> None:
    """Check a file that came without us; one that is not ours to replace is left alone."""
    record = run.records[planned.model.key]
    verdicts = list(_verdicts(run, planned, anew=False))
    verdict = joined(planned.model, planned.path, verdicts) if record.files else verdicts[0]
    if not verdict.good:
        fields = {"path": planned.path, "where": record.where, "cause": verdict.reason}
        if planned.pending is Pending.SEARCH_AGAIN:
            task = run.task("download", planned.task)
            raise ModelProblem(Outcome.WRONG_CONTENT, Why.ANOTHER_FILE_FOUND, task=task, **fields)
        raise ModelProblem(Outcome.WRONG_CONTENT, Why.ANOTHER_FILE_THERE, **fields)
    made = [
        receipts.of_file(
            member.model,
            Path(verdict.path),
            verdict.sha256 or sha256_of(Path(verdict.path)),
            script="",
            verified=verdict.status == "ok",
        )
        for member, verdict in zip(record.members, verdicts, strict=True)
    ]
    _keep(run, planned, receipts.joined(record, made))
    if planned.pending is Pending.SEARCH_AGAIN:
        attempt = Attempt(at=json_file.now(), outcome=Outcome.DONE, came=Came.THERE)
        ledger.note(run.project.layout, planned.model, attempt)
    _settle_as_there(run, planned)


def _settle_as_there(run: Run, planned: Planned) -> None:
    run.events.was_there(planned.model)
    _settle(run, Ending(planned.model, came=Came.THERE))


def _place(planned: Planned, member: Record) -> Path:
    return Path(member.destination) if planned.is_whole else planned.path


def _keep(run: Run, planned: Planned, receipt: Receipt) -> None:
    members = run.records[planned.model.key].members
    models = [member.model for member in members]
    made = list(zip(models, receipt.each, strict=True))
    run.receipts.save(run.project.folders.store, run.project.trust, made)


def _renew(run: Run, path: str, made: Receipt) -> None:
    """A link to a file changes its ctime; its script has just seen that the bytes are the same."""
    for key, old in run.receipts.at(path).items():
        if old.sha256 == made.sha256 and old.inode == made.inode:
            folder, _, name = key.partition("/")
            model = Model(folder=folder, path=name)
            new = msgspec.structs.replace(old, ctime_ns=made.ctime_ns)
            run.receipts.save(run.project.folders.store, run.project.trust, [(model, new)])


def _once_more(run: Run, planned: Planned, problem: ModelProblem, slot: Slot) -> Receipt:
    """Search again after 404, 410 or wrong content; the record that led there is worth nothing."""
    old = run.records[planned.model.key]
    run.project.layout.record(old.number, planned.model).unlink(missing_ok=True)
    if planned.record is None:
        raise problem  # it was found a moment ago: searching again would find the same
    run.events.searching_again(planned.model, problem)
    record = resolve_stage.resolve(planned, run.services())
    run.events.found(record)
    if record.same_content(old):
        raise problem
    run.policy.require(record)
    run.records[planned.model.key] = written.renumbered(run.project.layout, record)
    _render(run, planned)
    try:
        return run_script(run, planned, slot)
    except ModelProblem as again:
        if again.outcome in SEARCH_AGAIN:
            new = run.records[planned.model.key]
            run.project.layout.record(new.number, planned.model).unlink(missing_ok=True)
        raise


resolve = _action(_resolve, searches=True)
render = _action(_render)
fetch = _action(_fetch)
