"""Plan: references joined into models, and for each the one question: is there work to do?

A model is settled when ComfyUI would find its file and the file is, by size and time, the one
of its receipt. Everything else that has to be done gets a number, a task and a reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from comfyfix.comfyui.references.lookup import Lookup, keys_of
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.reach import dangling
from comfyfix.disk import json_file
from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX, regular_stat
from comfyfix.errors import ModelProblem, NameRefused
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Receipt, Record
from comfyfix.settings.manifest import Locked, Manifest
from comfyfix.stages import by_name, whole
from comfyfix.stages.join import Need, join
from comfyfix.stages.locked import as_record, same_files
from comfyfix.stages.scan import ScannedFile
from comfyfix.stages.told import Told
from comfyfix.stages.work import Pending, Plan, Planned, Present
from comfyfix.state import ledger as ledgers
from comfyfix.state import receipts as receipt_files
from comfyfix.state.layout import Layout
from comfyfix.state.trust import Trust, claimed
from comfyfix.why import Why

NEIGHBOURS_MAX = 8


def make(
    manifest: Manifest,
    folders: Folders,
    scanned: Iterable[ScannedFile],
    layout: Layout,
    trust: Trust,
) -> Plan:
    """Make the plan; nothing is written. Raises OSError if output/ can't be read."""
    files = list(scanned)
    ledger = ledgers.load(layout)
    lookup = Lookup(folders)
    looking = _Looking(
        lookup,
        layout,
        trust,
        receipt_files.load(layout),
        ledger.models,
        code=manifest.verify.remote_code == "allow",
    )
    needs = by_name.settled(join(manifest, lookup, files), lookup)
    for need in needs.values():
        need.override = manifest.override_for(need.model.folder, need.model.path)
        looking.at(need)
    tasked = [need for need in needs.values() if need.present is None]
    reserved = ledger.models
    entries = ledgers.numbered(ledger, [need.model for need in tasked]).models
    by_workflow = _by_workflow(files, needs.values())
    told = Told(file.hints for file in files)
    models = [
        _planned(
            need,
            entries[need.model.key],
            told,
            _neighbours(need, by_workflow),
            reserved=need.model.key in reserved,
        )
        for need in tasked
    ]
    return Plan(
        models=tuple(sorted(models, key=lambda planned: planned.number)),
        present=tuple(need.present for need in needs.values() if need.present),
        workflows={name: tuple(keys) for name, keys in by_workflow.items()},
        unreadable=tuple(file for file in files if file.problem),
        batch_size=manifest.batch,
    )


def _by_workflow(files: Iterable[ScannedFile], needs: Iterable[Need]) -> dict[str, dict[str, None]]:
    """The keys of the models that each workflow needs, in the order of first sight."""
    result: dict[str, dict[str, None]] = {
        file.workflow: {} for file in files if file.is_workflow and not file.problem
    }
    for need in needs:
        for reference in need.references:
            result[reference.workflow][need.model.key] = None
    return result


def _planned(
    need: Need,
    entry: ledgers.Entry,
    told: Told,
    neighbours: tuple[str, ...],
    *,
    reserved: bool,
) -> Planned:
    return Planned(
        model=need.model,
        number=entry.number,
        task=entry.task,
        location=need.location,
        pending=need.pending,
        references=tuple(need.references),
        hints=told.of(need),
        override=need.override,
        record=need.record,
        receipt=need.receipt,
        problem=need.problem,
        neighbours=neighbours,
        reserved=reserved,
        is_directory=need.is_directory,
    )


@dataclass(frozen=True, slots=True)
class _Looking:
    """Decides whether a needed model is absent, suspect, settled, or simply there."""

    lookup: Lookup
    layout: Layout
    trust: Trust
    receipts: dict[str, Receipt]
    entries: dict[str, ledgers.Entry]
    code: bool = False

    def at(self, need: Need) -> None:
        """Look at the file of one need, and write down in it what is found."""
        if need.problem is not None or need.model.folder is None:
            need.pending = need.problem.outcome if need.problem else Outcome.FOLDER_UNKNOWN
            return
        entry = self.entries.get(need.model.key)
        if need.is_directory or need.model.shards:
            self._whole(need, entry)
            return
        reference = need.lead
        hit = self.lookup.file(reference, need.model.path, need.model.folder)
        if hit and hit.name != need.model.path:  # there under another name that is taken as well
            need.model, entry = Model(folder=need.model.folder, path=hit.name), None
        script, again = "", entry is not None and entry.again
        if entry is not None:
            record, script = self.layout.targets(entry.number, need.model)
            need.record = json_file.read(record, Record)
        if hit is None:
            need.problem = _beyond(need, self.lookup.folders)
            need.pending = need.problem.outcome if need.problem else Pending.ABSENT
            need.record = None if again else need.record
            return
        need.location = hit.location
        self._hold(need, script, hit.info, again=again)

    def _whole(self, need: Need, entry: ledgers.Entry | None) -> None:
        """Look at a directory or a set, file by file."""
        need.location = whole.location(need, self.lookup)
        script, again = "", entry is not None and entry.again
        if entry is not None:
            path, script = self.layout.targets(entry.number, need.model)
            record = json_file.read(path, Record)
            same = record and record.files and record.destination == need.location
            need.record = record if same else None
        store = self.lookup.folders.store
        told = need.record
        if isinstance(need.override, Locked) and need.override.files:
            if told and not same_files(told.files, need.override.files):
                need.record = None
            told = need.record or as_record(need.override, need.model, need.location)
        need.pending = whole.pending(need, told, self.receipts, self.trust, store)
        if need.pending is Pending.ABSENT:
            need.problem = _beyond(need, self.lookup.folders)
            need.pending = need.problem.outcome if need.problem else need.pending
        if need.pending is None and need.record is None:
            need.present = whole.present(need)
        elif need.pending is None and not again:
            need.pending = _what_is_lost(need, script)
        elif need.pending in (None, Pending.UNVERIFIED, Pending.CHANGED) and again:
            need.pending = Pending.SEARCH_AGAIN
        note = need.record.note if need.record else None
        if self.code and note and note.why == Why.CODE_LEFT_OUT:  # it was not wanted then
            need.pending, again = need.pending or Pending.INCOMPLETE, True
        if again:
            need.record = None  # what was known binds no more

    def _hold(self, need: Need, script: str, info: os.stat_result, *, again: bool) -> None:
        """Hold a file that is there against its receipt."""
        told, still = self._receipt(need, info), False
        if need.receipt is not None:
            still = self.trust.holds(need.receipt, need.location, info)
            if need.receipt.identified and not still:
                # It came without us: while it is as it was it is simply there, and so is another.
                need.receipt = None
        if again and (need.record or need.receipt):
            need.pending = Pending.SEARCH_AGAIN if info.st_size else Pending.EMPTY
            need.record = need.receipt = None  # what was known binds no more
        elif info.st_size == 0:
            need.pending = Pending.EMPTY
        elif still and (another := _another_content(need)):
            need.problem, need.pending = another, another.outcome
        elif need.receipt and not still:
            need.pending = Pending.CHANGED
        elif need.record and not need.receipt:
            need.pending = Pending.UNVERIFIED
        elif need.receipt and not need.receipt.identified and need.model.key in self.receipts:
            if script:
                need.pending = _what_is_lost(need, script)
                return
            need.present = _present(need, info, claimed=False)
        else:
            need.present = _present(need, info, claimed=need.receipt is None and told)

    def _receipt(self, need: Need, info: os.stat_result) -> bool:
        """Find the receipt that counts; tell whether the store holds one of whoever's."""
        need.receipt = self.receipts.get(need.model.key)
        if need.receipt is not None:
            return False
        store = self.lookup.folders.store
        told = claimed(store, need.model)
        bound = bool(need.override and need.override.digest)
        need.receipt = self.trust.counting(
            told, store, need.model, need.location, info, bound=bound
        )
        return told is not None


def _another_content(need: Need) -> ModelProblem | None:
    """Why a file, known by its receipt, is not the one that has to be there; it is left alone."""
    wanted = need.override.digest if need.override else None
    if need.receipt is None or wanted in (None, need.receipt.sha256):
        return None
    return ModelProblem(
        Outcome.WRONG_CONTENT,
        Why.OTHER_CONTENT_TOLD,
        path=need.location,
        found=need.receipt.sha256,
        wanted=wanted,
        model=need.model.key,
    )


def _present(need: Need, info: os.stat_result, *, claimed: bool) -> Present:
    return Present(
        model=need.model,
        location=need.location,
        size=info.st_size,
        mtime_ns=info.st_mtime_ns,
        receipt=need.receipt,
        claimed=claimed,
        references=tuple(need.references),
        override=need.override,
    )


def _beyond(need: Need, folders: Folders) -> ModelProblem | None:
    """Why an absent model can't be fetched: it is on a disk that is not there, or its name."""
    path = need.model.path
    places = [
        f"{directory}/{below}"
        for key, below in keys_of(need.lead, path, need.model.folder or "")
        for directory in folders.directories(key)
    ]
    for place in [*places, need.location]:
        if lost := dangling(place):
            return ModelProblem(
                Outcome.UNREACHABLE,
                Why.ON_A_DISK_NOT_THERE,
                model=need.model.key,
                link=lost.link,
                target=lost.target,
            )
    if max(len(part.encode()) for part in path.split("/")) > FETCHED_NAME_BYTES_MAX:
        limit = FETCHED_NAME_BYTES_MAX
        return NameRefused(Why.NAME_TOO_LONG_TO_FETCH, model=need.model.key, limit=limit)
    return None


def _neighbours(need: Need, by_workflow: dict[str, dict[str, None]]) -> tuple[str, ...]:
    """Some other models of the workflows that need this one: what it is used with."""
    workflows = dict.fromkeys(reference.workflow for reference in need.references)
    keys = (key for name in workflows for key in islice(by_workflow[name], NEIGHBOURS_MAX + 1))
    others = dict.fromkeys(key for key in keys if key != need.model.key)
    return tuple(islice(others, NEIGHBOURS_MAX))


def _what_is_lost(need: Need, script: str) -> Pending | None:
    if need.record is None:
        return Pending.RECORD_LOST
    return Pending.SCRIPT_LOST if regular_stat(script) is None else None
