"""Plan: references joined into models, and for each the one question: is there work to do?

A model is settled when ComfyUI would find its file and the file is, by size and time, the one
of its receipt. Everything else that has to be done gets a number, a task and a reason.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from itertools import islice

import msgspec

from comfyfix.comfyui.references.find import spellings
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.reach import dangling
from comfyfix.disk import json_file
from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX, printable, write_if_changed
from comfyfix.errors import ModelProblem, NameRefused, Unreachable
from comfyfix.records import Model, Receipt, Record, Reference, to_json
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.join import Need, join
from comfyfix.stages.scan import ScannedFile
from comfyfix.stages.work import ABSENT, UNVERIFIED, Plan, Planned, Present
from comfyfix.state import ledger as ledgers
from comfyfix.state import receipts as receipt_files
from comfyfix.state.layout import Layout
from comfyfix.state.trust import Trust, claimed

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
    needs = {
        key: need
        for key, need in join(manifest, folders, files).items()
        if not (need.is_directory and found(folders, need.references[0]))
    }
    ledger = ledgers.load(layout)
    receipts = receipt_files.load(layout)
    for need in needs.values():
        override = manifest.override_for(need.model.folder, need.model.path)
        need.is_bound = bool(override and override.digest)
        _look(need, folders, receipts, ledger.models.get(need.model.key), layout, trust)
    tasked = [need for need in needs.values() if need.present is None]
    ledger, unwritten = _numbered(layout, ledger, [need.model for need in tasked])
    by_workflow: dict[str, dict[str, None]] = {
        file.workflow: {} for file in files if file.is_workflow and not file.problem
    }
    for need in needs.values():
        for reference in need.references:
            by_workflow[reference.workflow][need.model.key] = None
    models = tuple(
        Planned(
            model=need.model,
            number=ledger.models[need.model.key].number,
            task=ledger.models[need.model.key].task,
            location=need.location,
            pending=need.pending,
            references=tuple(need.references),
            hints=tuple(dict.fromkeys(r.hint for r in need.references if r.hint)),
            override=manifest.override_for(need.model.folder, need.model.path),
            record=need.record,
            receipt=need.receipt,
            problem=need.problem,
            neighbours=_neighbours(need, by_workflow),
        )
        for need in tasked
    )
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
    return all(
        any(folders.find(key, name) for name in spellings(reference, path) for key in keys)
        for path in reference.files or (reference.path,)
    )


def _look(
    need: Need,
    folders: Folders,
    receipts: dict[str, Receipt],
    entry: ledgers.Entry | None,
    layout: Layout,
    trust: Trust,
) -> None:
    """Decide whether a needed model is absent, suspect, settled, or simply there."""
    if need.is_directory:
        need.pending = f"{ABSENT}, a directory"
        return
    if need.problem is not None or need.model.folder is None:
        need.pending = need.problem.outcome if need.problem else "folder unknown"
        return
    first = need.references[0]
    keys = (need.model.folder, *first.also)
    name, hit = next(
        (
            (name, hit)
            for name in spellings(first, need.model.path)
            for key in keys
            if (hit := folders.find(key, name))
        ),
        (need.model.path, None),
    )
    if name != need.model.path:  # there under another extension that ComfyUI takes as well
        need.model, entry = Model(folder=need.model.folder, path=name), None
    script = ""
    if entry is not None:
        record, script = layout.targets(entry.number, need.model)
        need.record = json_file.read(record, Record)
    if hit is None:
        need.problem = _beyond(need, folders, keys)
        need.pending = need.problem.outcome if need.problem else ABSENT
        return
    need.location, info = hit
    need.receipt, told = receipts.get(need.model.key), None
    if need.receipt is None:
        told = claimed(folders.store, need.model)
        need.receipt = trust.counting(
            told, folders.store, need.model, need.location, info, bound=need.is_bound
        )
    still = need.receipt is not None and trust.holds(need.receipt, need.location, info)
    if need.receipt and need.receipt.identified and not still:
        # It came without us: while it is as it was it is simply there, and so is another one.
        need.receipt = None
    if info.st_size == 0:
        need.pending = "the file is empty"
    elif need.receipt and not still:
        need.pending = "changed since it was verified"
    elif need.record and not need.receipt:
        need.pending = UNVERIFIED
    elif _is_ours(need.receipt) and need.model.key in receipts and entry is not None:
        need.pending = _what_is_lost(need, script)
    else:
        need.present = Present(
            model=need.model,
            location=need.location,
            size=info.st_size,
            mtime_ns=info.st_mtime_ns,
            receipt=need.receipt,
            claimed=need.receipt is None and told is not None,
        )


def _beyond(need: Need, folders: Folders, keys: Iterable[str]) -> ModelProblem | None:
    """Why an absent model can't be fetched: it is on a disk that is not there, or its name."""
    path = need.model.path
    places = [f"{directory}/{path}" for key in keys for directory in folders.directories(key)]
    for place in [*places, need.location]:
        if lost := dangling(place):
            return Unreachable(
                f"{need.model.key} is on a disk that is not there",
                cause=f"{printable(lost.link, 300)} leads to {printable(lost.target, 300)}",
                next_step="mount the disk, or remove the link to fetch the model anew",
            )
    if max(len(part.encode()) for part in path.split("/")) > FETCHED_NAME_BYTES_MAX:
        return NameRefused(
            f"{printable(need.model.key, 300)} can't be fetched",
            cause=f"its name is longer than {FETCHED_NAME_BYTES_MAX} bytes",
            next_step="give the file a shorter name, and choose it in the workflow",
        )
    return None


def _is_ours(receipt: Receipt | None) -> bool:
    return receipt is not None and not receipt.identified


def _neighbours(need: Need, by_workflow: dict[str, dict[str, None]]) -> tuple[str, ...]:
    """Some other models of the workflows that need this one: what it is used with."""
    workflows = dict.fromkeys(reference.workflow for reference in need.references)
    keys = (key for name in workflows for key in islice(by_workflow[name], NEIGHBOURS_MAX + 1))
    others = dict.fromkeys(key for key in keys if key != need.model.key)
    return tuple(islice(others, NEIGHBOURS_MAX))


def _what_is_lost(need: Need, script: str) -> str:
    if need.record is None:
        return "its record is lost"
    if not os.path.isfile(script):  # noqa: PTH113 - hot
        return "its script is lost"
    return ""


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
                why=planned.pending,
                workflows=planned.workflows,
                nodes=tuple(
                    f"{r.workflow}: {printable(r.node_type)} {printable(r.node_id)}"
                    for r in planned.references
                ),
            )
            for planned in plan.pending
        )
    )
