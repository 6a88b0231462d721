"""Sweep: every model file of the store with what is known of it, so that each can be verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.inventory import ModelFile, model_files
from comfyfix.disk import json_file
from comfyfix.disk.files import clean_text, regular_stat
from comfyfix.records import Model, Reason, Receipt, Record, because
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override
from comfyfix.stages.needs.work import Plan
from comfyfix.state import receipts
from comfyfix.state.hashing import Identity, identity_of
from comfyfix.state.layout import Layout
from comfyfix.state.trust import EVERY_CHECK, Trust
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Choice:
    """One file to be verified. `size` in bytes, `override` is the manifest's word.

    `identity` is what further names of the same file share. A file that ComfyUI does not load
    under its model's name (`loaded` is false) is hidden by another, and gets no receipt: that
    would be one for the other.

    `unit` is set for what lies in a fast tier and ComfyUI opens in its place: the copy that it
    belongs to, a file or a directory. `noted_sha256` is what it had by our notes then; empty where
    it is none of ours.
    """

    model: Model
    path: Path
    record: Record | None
    receipt: Receipt | None
    override: Override | None
    size: int = 0
    identity: Identity = ""
    loaded: bool = True
    unit: str = ""
    noted_sha256: str = ""


def _needed_file(
    manifest: Manifest, model: Model, path: Path, record: Record | None, receipt: Receipt | None
) -> Choice:
    """Choose one file that a workflow needs; it may be absent."""
    info = regular_stat(path)
    return Choice(
        model=model,
        path=path,
        record=record,
        receipt=receipt,
        override=manifest.override_for(model.folder, model.path),
        size=info.st_size if info else 0,
        identity=identity_of(str(path), info) if info else str(path),
    )


def needed(manifest: Manifest, plan: Plan, layout: Layout) -> dict[str, list[Choice]]:
    """Choose what the workflows need and can have a file, by model. Raises OSError."""
    ours = receipts.load(layout)
    choices: dict[str, list[Choice]] = {}
    for planned in plan.models:
        if planned.problem is not None:
            continue
        key, record = planned.model.key, planned.record
        if record is None or not record.files:
            receipt = ours.get(key) or planned.receipt
            choices[key] = [_needed_file(manifest, planned.model, planned.path, record, receipt)]
            continue
        choices[key] = [
            _needed_file(manifest, m.model, Path(m.destination), m, ours.get(m.model.key))
            for m in record.members
        ]
    for present in plan.present:
        choices[present.model.key] = [
            _needed_file(manifest, model, path, None, present.receipt)
            for model, path in present.members
        ]
    return choices


def whole_store(
    manifest: Manifest,
    folders: Folders,
    layout: Layout,
    trust: Trust = EVERY_CHECK,
    *,
    known_records: Mapping[str, Record] | None = None,
) -> list[Choice]:
    """Choose every model file of all model folders. Raises OSError.

    `known_records`: what `records` says, for those who have asked it already.
    """
    ours = receipts.load(layout)
    by_path = {receipt.path: receipt for receipt in ours.values()}
    if known_records is None:
        known_records = records(layout)
    notes = _Notes(manifest, folders, trust, ours, by_path, known_records)
    return [notes.choice(file) for file in model_files(folders)]


def total(choices: Iterable[Choice]) -> int:
    """The bytes of some files, each counted once however many names it has."""
    return sum({choice.identity: choice.size for choice in choices}.values())


def contents(choices: Iterable[Choice]) -> dict[str, Reason]:
    """What is known to be published, by sha256: whose word that is.

    A model that was linked inside the store proves nothing of the file that it is a link of.
    """
    published: dict[str, Reason] = {}
    for choice in choices:
        record, receipt = choice.record, choice.receipt
        if record and record.sha256 and not record.local:
            published.setdefault(record.sha256, because(Why.BY_PLACE, where=record.where))
        if receipt and receipt.identified:
            by = because(Why.BY_RECEIPT_OF, model=choice.model.key)
            published.setdefault(receipt.sha256, by)
    return published


@dataclass(frozen=True, slots=True)
class _Notes:
    """What is noted of a store: receipts by model (`ours`) and by path, records by path."""

    manifest: Manifest
    folders: Folders
    trust: Trust
    ours: Mapping[str, Receipt]
    by_path: Mapping[str, Receipt]
    records: Mapping[str, Record]

    def choice(self, file: ModelFile) -> Choice:
        model = file.model
        hit = self.folders.find(model.folder, model.path) if model.folder else None
        loaded = hit is not None and hit[0] == file.path and file.path == clean_text(file.path)
        override = self.manifest.override_for(model.folder, model.path)
        return Choice(
            model=model,
            path=Path(file.path),
            record=self.records.get(file.path),
            receipt=self._receipt(file, loaded=loaded, bound=bool(override and override.digest)),
            override=override,
            size=file.size,
            identity=file.identity,
            loaded=loaded,
        )

    def _receipt(self, file: ModelFile, *, loaded: bool, bound: bool) -> Receipt | None:
        info = regular_stat(file.path)
        receipt = self.by_path.get(file.path)
        if loaded and receipt is None:
            receipt = self.ours.get(file.model.key)
            if receipt is None and info is not None:
                store = self.folders.store
                receipt = self.trust.of_store(store, file.model, file.path, info, bound=bound)
        if receipt is None or not receipt.identified or info is None:
            return receipt
        return receipt if self.trust.holds(receipt, file.path, info) else None


def records(layout: Layout) -> dict[str, Record]:
    """The newest record of every place, also of models that no workflow needs any more."""
    readable = filter(None, (json_file.read(p, Record) for p in layout.sources.glob("*.json")))
    return {record.destination: record for record in sorted(readable, key=lambda r: r.number)}
