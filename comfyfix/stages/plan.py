"""Plan: references joined into models, and for each the one question: is there work to do?

A model is settled when ComfyUI would find its file and the file is, by size and time, the one
of its receipt. Everything else that has to be done gets a number, a task and a reason.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import msgspec

from comfyfix.comfyui.references.find import spellings
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.reach import dangling
from comfyfix.disk import json_file
from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX, printable, regular_stat, write_if_changed
from comfyfix.errors import ModelProblem, NameRefused
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Receipt, Record, Reference, to_json
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.join import Need, join
from comfyfix.stages.scan import ScannedFile
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
    """Make the plan and reserve its numbers; where they can't be written, the plan says so.

    Raises OSError if output/ can't be read.
    """
    files = list(scanned)
    ledger = ledgers.load(layout)
    looking = _Looking(folders, layout, trust, receipt_files.load(layout), ledger.models)
    needs = {
        key: need
        for key, need in join(manifest, folders, files).items()
        if not (need.is_directory and found(folders, need.references[0]))
    }
    for need in needs.values():
        need.override = manifest.override_for(need.model.folder, need.model.path)
        looking.at(need)
    tasked = [need for need in needs.values() if need.present is None]
    ledger, unwritten = _numbered(layout, ledger, [need.model for need in tasked])
    by_workflow = _by_workflow(files, needs.values())
    models = [
        _planned(need, ledger.models[need.model.key], _neighbours(need, by_workflow))
        for need in tasked
    ]
    plan = Plan(
        models=tuple(sorted(models, key=lambda planned: planned.number)),
        present=tuple(need.present for need in needs.values() if need.present),
        workflows={name: tuple(keys) for name, keys in by_workflow.items()},
        unreadable=tuple(file for file in files if file.problem),
        batch_size=manifest.batch,
    )
    try:
        write_if_changed(layout.missing, to_json(_missing_file(plan)))
    except OSError as error:
        unwritten = unwritten or error
    return dataclasses.replace(plan, unwritten=unwritten)


def _by_workflow(files: Iterable[ScannedFile], needs: Iterable[Need]) -> dict[str, dict[str, None]]:
    """The keys of the models that each workflow needs, in the order of first sight."""
    result: dict[str, dict[str, None]] = {
        file.workflow: {} for file in files if file.is_workflow and not file.problem
    }
    for need in needs:
        for reference in need.references:
            result[reference.workflow][need.model.key] = None
    return result


def _planned(need: Need, entry: ledgers.Entry, neighbours: tuple[str, ...]) -> Planned:
    return Planned(
        model=need.model,
        number=entry.number,
        task=entry.task,
        location=need.location,
        pending=need.pending,
        references=tuple(need.references),
        hints=tuple(dict.fromkeys(r.hint for r in need.references if r.hint)),
        override=need.override,
        record=need.record,
        receipt=need.receipt,
        problem=need.problem,
        neighbours=neighbours,
    )


def _numbered(
    layout: Layout, ledger: ledgers.Ledger, models: list[Model]
) -> tuple[ledgers.Ledger, OSError | None]:
    if all(model.key in ledger.models for model in models):
        return ledger, None
    try:
        return ledgers.reserve(layout, models), None
    except OSError as error:
        return ledgers.unwritten(layout, models), error


def found(folders: Folders, reference: Reference) -> bool:
    """Tell whether ComfyUI would find what a reference names."""
    if reference.folder is None:
        return False
    keys = (reference.folder, *reference.also)
    if reference.kind == "directory":
        return any(folders.is_directory(key, reference.path) for key in keys)
    if reference.endings and not reference.path.lower().endswith(reference.endings):
        return False
    return all(
        any(folders.find(key, name) for name in spellings(reference, path) for key in keys)
        for path in reference.files or (reference.path,)
    )


@dataclass(frozen=True, slots=True)
class _Looking:
    """Decides whether a needed model is absent, suspect, settled, or simply there."""

    folders: Folders
    layout: Layout
    trust: Trust
    receipts: dict[str, Receipt]
    entries: dict[str, ledgers.Entry]

    def at(self, need: Need) -> None:
        """Look at the file of one need, and write down in it what is found."""
        if need.is_directory:
            need.pending = Pending.DIRECTORY_ABSENT
            return
        if need.problem is not None or need.model.folder is None:
            need.pending = need.problem.outcome if need.problem else Outcome.FOLDER_UNKNOWN
            return
        entry = self.entries.get(need.model.key)
        first = need.references[0]
        keys = (need.model.folder, *first.also)
        name, hit = self._find(need, keys)
        if name != need.model.path:  # there under another extension that ComfyUI takes as well
            need.model, entry = Model(folder=need.model.folder, path=name), None
        script = ""
        if entry is not None:
            record, script = self.layout.targets(entry.number, need.model)
            need.record = json_file.read(record, Record)
        if hit is None:
            need.problem = _beyond(need, self.folders, keys)
            need.pending = need.problem.outcome if need.problem else Pending.ABSENT
            return
        need.location = hit[0]
        self._hold(need, script, hit[1])

    def _find(
        self, need: Need, keys: Iterable[str]
    ) -> tuple[str, tuple[str, os.stat_result] | None]:
        """The name under which ComfyUI finds the file, and where; else the name that it has."""
        for name in spellings(need.references[0], need.model.path):
            for key in keys:
                hit = self.folders.find(key, name)
                if hit:
                    return name, hit
        return need.model.path, None

    def _hold(self, need: Need, script: str, info: os.stat_result) -> None:
        """Hold a file that is there against its receipt."""
        told, still = self._receipt(need, info), False
        if need.receipt is not None:
            still = self.trust.holds(need.receipt, need.location, info)
            if need.receipt.identified and not still:
                # It came without us: while it is as it was it is simply there, and so is another.
                need.receipt = None
        if info.st_size == 0:
            need.pending = Pending.EMPTY
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
        store = self.folders.store
        told = claimed(store, need.model)
        bound = bool(need.override and need.override.digest)
        need.receipt = self.trust.counting(
            told, store, need.model, need.location, info, bound=bound
        )
        return told is not None


def _present(need: Need, info: os.stat_result, *, claimed: bool) -> Present:
    return Present(
        model=need.model,
        location=need.location,
        size=info.st_size,
        mtime_ns=info.st_mtime_ns,
        receipt=need.receipt,
        claimed=claimed,
    )


def _beyond(need: Need, folders: Folders, keys: Iterable[str]) -> ModelProblem | None:
    """Why an absent model can't be fetched: it is on a disk that is not there, or its name."""
    path = need.model.path
    places = [f"{directory}/{path}" for key in keys for directory in folders.directories(key)]
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


class _Missing(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    folder: str | None
    number: int
    task: str
    why: str
    workflows: tuple[str, ...]
    nodes: tuple[str, ...]


class _MissingFile(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    models: tuple[_Missing, ...] = ()


def _missing_file(plan: Plan) -> _MissingFile:
    return _MissingFile(
        models=tuple(
            _Missing(
                model=planned.model.path,
                folder=planned.model.folder,
                number=planned.number,
                task=f"download:{planned.task}",
                why=planned.pending or "",
                workflows=planned.workflows,
                nodes=tuple(
                    f"{r.workflow}: {printable(r.node_type)} {printable(r.node_id)}"
                    for r in planned.references
                ),
            )
            for planned in plan.pending
        )
    )
