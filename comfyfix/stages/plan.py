"""Plan: references joined into models, and for each the one question: is there work to do?

A model is settled when ComfyUI would find its file and the file is, by size and time, the one
of its receipt. Everything else that has to be done gets a number, a task and a reason.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from comfyfix import ledger as ledgers
from comfyfix import receipts as receipt_files
from comfyfix import state
from comfyfix.comfyui.folders import Folders, folder_key, is_folder_key
from comfyfix.comfyui.references import spellings
from comfyfix.errors import FolderUnknown, ModelProblem, NameRefused
from comfyfix.files import printable, relative_name, write_if_changed
from comfyfix.layout import Layout
from comfyfix.manifest import Manifest, Override
from comfyfix.records import Hint, Model, Receipt, Record, Reference, to_json
from comfyfix.stages.scan import ScannedFile

ABSENT = "absent"
"""Why a model is pending whose file ComfyUI does not find."""
UNVERIFIED = "not verified yet"
"""Why a file is pending that is there, with a record but without a receipt of ours."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One model with a task. `pending` says why there is work to do; empty: it is settled.

    `location` is where the file is or will be; `problem` is set for a model that can have no
    legal file, whose task fails with it.
    """

    model: Model
    number: int
    task: str
    location: str
    pending: str
    references: tuple[Reference, ...]
    hints: tuple[Hint, ...] = ()
    override: Override | None = None
    record: Record | None = None
    receipt: Receipt | None = None
    problem: ModelProblem | None = None

    @property
    def path(self) -> Path:
        """`location` as a path."""
        return Path(self.location)

    @property
    def workflows(self) -> tuple[str, ...]:
        """The workflows that need the model, each once."""
        return tuple(dict.fromkeys(r.workflow for r in self.references))


@dataclass(frozen=True, slots=True)
class Present:
    """A needed model that was there before us: no number, no task of its own."""

    model: Model
    location: str
    size: int
    mtime_ns: int
    receipt: Receipt | None

    @property
    def path(self) -> Path:
        """`location` as a path."""
        return Path(self.location)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. `unreadable` are workflow files with a problem."""

    models: tuple[Planned, ...]
    present: tuple[Present, ...]
    workflows: dict[str, tuple[str, ...]]
    unreadable: tuple[ScannedFile, ...]
    batch_size: int = 6

    @property
    def pending(self) -> list[Planned]:
        """The models with work to do."""
        return [planned for planned in self.models if planned.pending]

    def batches(self) -> dict[int, list[Planned]]:
        """Members by batch number; the batch of number n is (n-1)//6+1."""
        result: dict[int, list[Planned]] = {}
        for planned in sorted(self.models, key=lambda p: p.number):
            result.setdefault((planned.number - 1) // self.batch_size + 1, []).append(planned)
        return result


@dataclass(slots=True)
class _Need:
    model: Model
    problem: ModelProblem | None = None
    references: list[Reference] = field(default_factory=list)
    pending: str = ""
    location: str = ""
    present: Present | None = None
    receipt: Receipt | None = None
    record: Record | None = None


def make(
    manifest: Manifest, folders: Folders, scanned: Iterable[ScannedFile], layout: Layout
) -> Plan:
    """Make the plan and reserve its numbers. Raises OSError if output/ can't be written."""
    files = list(scanned)
    needs = _join(manifest, folders, files)
    ledger = ledgers.load(layout)
    receipts = receipt_files.load(layout)
    for need in needs.values():
        _look(need, folders, receipts, ledger.models.get(need.model.key), layout)
    tasked = [need for need in needs.values() if need.present is None]
    if any(need.model.key not in ledger.models for need in tasked):
        ledger = ledgers.reserve(layout, [need.model for need in tasked])
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
        )
        for need in tasked
    )
    by_workflow: dict[str, dict[str, None]] = {
        file.workflow: {} for file in files if file.is_workflow and not file.problem
    }
    for need in needs.values():
        for reference in need.references:
            by_workflow[reference.workflow][need.model.key] = None
    plan = Plan(
        models=tuple(sorted(models, key=lambda planned: planned.number)),
        present=tuple(need.present for need in needs.values() if need.present),
        workflows={name: tuple(keys) for name, keys in by_workflow.items()},
        unreadable=tuple(file for file in files if file.problem),
        batch_size=manifest.batch,
    )
    write_if_changed(layout.missing, to_json(_missing_file(plan)))
    return plan


def seen(present: Sequence[Present]) -> dict[str, list[int]]:
    """Size and time of files, as doit remembers them between runs."""
    return {p.location: [p.size, p.mtime_ns] for p in present}


def counts(manifest: Manifest, reference: Reference) -> bool:
    """Tell whether a reference asks for a file that we should have."""
    wanted = reference.kind in ("file", "embedding")
    active = reference.active or manifest.include.inactive
    needed = not reference.optional or manifest.include.optional
    ignored = any(
        fnmatch.fnmatchcase(text, pattern)
        for pattern in manifest.ignore
        for text in (reference.name, reference.path, f"{reference.folder}/{reference.path}")
    )
    return wanted and active and needed and not ignored


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


def _join(manifest: Manifest, folders: Folders, files: Iterable[ScannedFile]) -> dict[str, _Need]:
    """Join references into models, in the order of first sight; one file, one model."""
    needs: dict[str, _Need] = {}
    by_path: dict[str, _Need] = {}
    for file in files:
        for reference in file.references:
            if not counts(manifest, reference):
                continue
            for value in reference.files or (reference.value,):
                need = _need_of(manifest, reference, value)
                known = needs.get(need.model.key)
                if known is None and need.problem is None and need.model.folder is not None:
                    path = str(folders.destination(need.model.folder, need.model.path))
                    # `ultralytics` + bbox/x.pt and `ultralytics_bbox` + x.pt are the same file.
                    known = by_path.setdefault(path, need)
                    need.location = path
                if known is None or known is need:
                    needs[need.model.key] = known = need
                known.references.append(reference)
    return needs


def _need_of(manifest: Manifest, reference: Reference, value: str) -> _Need:
    override = manifest.override_for(reference.folder, value.replace("\\", "/"))
    folder = reference.folder
    if override and override.folder:
        folder = folder_key(override.folder)
    if folder is not None and not is_folder_key(folder):
        folder = None
    try:
        path = relative_name(value)
    except NameRefused as problem:
        shown = Model(folder=folder, path=printable(reference.path))
        place = f"node {printable(reference.node_id)} ({printable(reference.node_type)})"
        problem.what += f" ({reference.workflow}, {place})"
        return _Need(model=shown, problem=problem)
    model = Model(folder=folder, path=path)
    if folder is None:
        problem_ = FolderUnknown(
            f"No one tells in which model folder {model.path} belongs",
            cause=f"the node {printable(reference.node_type)} of {reference.workflow} is not known",
            next_step=f"add `models: {{{model.name}: {{folder: FOLDER}}}}` to manifest.yaml",
        )
        return _Need(model=model, problem=problem_)
    return _Need(model=model)


def _look(
    need: _Need,
    folders: Folders,
    receipts: dict[str, Receipt],
    entry: ledgers.Entry | None,
    layout: Layout,
) -> None:
    """Decide whether a needed model is absent, suspect, settled, or simply there."""
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
    if entry is not None:
        need.record = state.read(layout.targets(entry.number, need.model)[0], Record)
    if hit is None:
        need.pending = ABSENT
        return
    need.location, info = hit
    need.receipt = receipts.get(need.model.key) or receipt_files.from_store(
        folders.store, need.model
    )
    if info.st_size == 0:
        need.pending = "the file is empty"
    elif need.receipt and not receipt_files.still_true(need.receipt, need.location, info):
        need.pending = "changed since it was verified"
    elif need.record and not need.receipt:
        need.pending = UNVERIFIED
    elif need.receipt and need.model.key in receipts and entry is not None:
        need.pending = _what_is_lost(need, entry, layout)
    else:
        need.present = Present(
            model=need.model,
            location=need.location,
            size=info.st_size,
            mtime_ns=info.st_mtime_ns,
            receipt=need.receipt,
        )


def _what_is_lost(need: _Need, entry: ledgers.Entry, layout: Layout) -> str:
    if need.record is None:
        return "its record is lost"
    if not os.path.exists(layout.targets(entry.number, need.model)[1]):  # noqa: PTH110 - hot
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
