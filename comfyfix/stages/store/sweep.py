"""Sweep: every model file of the store with what is known of it, so that each can be verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    """One file to be verified. `size` in bytes, `told` is the manifest's word.

    `identity` is what further names of the same file share. A file that ComfyUI does not load
    under its model's name (`loaded` is false) is hidden by another, and gets no receipt: that
    would be one for the other.

    `unit` is set for what lies in a fast tier and ComfyUI opens in its place: the copy that it
    belongs to, a file or a directory. `copied` is the sha256 that it had by our notes then; empty
    where it is none of ours.
    """

    model: Model
    path: Path
    record: Record | None
    receipt: Receipt | None
    told: Override | None
    size: int = 0
    identity: Identity = ""
    loaded: bool = True
    unit: str = ""
    copied: str = ""


def one(
    manifest: Manifest, model: Model, path: Path, record: Record | None, receipt: Receipt | None
) -> Choice:
    """Choose one file that a workflow needs; it may be absent."""
    info = regular_stat(path)
    return Choice(
        model=model,
        path=path,
        record=record,
        receipt=receipt,
        told=manifest.override_for(model.folder, model.path),
        size=info.st_size if info else 0,
        identity=identity_of(str(path), info) if info else str(path),
    )


def needed(manifest: Manifest, plan: Plan, layout: Layout) -> dict[str, list[Choice]]:
    """Choose what the workflows need and can have a file, by model. Raises OSError."""
    known = receipts.load(layout)
    every: dict[str, list[Choice]] = {}
    for item in plan.models:
        if item.problem is not None:
            continue
        key, record = item.model.key, item.record
        if record is None or not record.files:
            receipt = known.get(key) or item.receipt
            every[key] = [one(manifest, item.model, item.path, record, receipt)]
            continue
        every[key] = [
            one(manifest, m.model, Path(m.destination), m, known.get(m.model.key))
            for m in record.members
        ]
    for there in plan.present:
        every[there.model.key] = [
            one(manifest, model, path, None, there.receipt) for model, path in there.members
        ]
    return every


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
    known = _Known(folders, layout, trust, known_records)
    return [known.choice(manifest, file) for file in model_files(folders)]


def total(choices: Iterable[Choice]) -> int:
    """The bytes of some files, each counted once however many names it has."""
    return sum({choice.identity: choice.size for choice in choices}.values())


def contents(choices: Iterable[Choice]) -> dict[str, Reason]:
    """What is known to be published, by sha256: whose word that is.

    A model that was linked inside the store proves nothing of the file that it is a link of.
    """
    found: dict[str, Reason] = {}
    for choice in choices:
        if choice.record and choice.record.sha256 and not choice.record.local:
            by = because(Why.BY_PLACE, where=choice.record.where)
            found.setdefault(choice.record.sha256, by)
        if choice.receipt and choice.receipt.identified:
            by = because(Why.BY_RECEIPT_OF, model=choice.model.key)
            found.setdefault(choice.receipt.sha256, by)
    return found


@dataclass
class _Known:
    """Receipts and records of a store, by model and by path."""

    folders: Folders
    layout: Layout
    trust: Trust
    read: Mapping[str, Record] | None = None
    ours: Mapping[str, Receipt] = field(init=False)
    by_path: Mapping[str, Receipt] = field(init=False)
    records: Mapping[str, Record] = field(init=False)

    def __post_init__(self) -> None:
        self.ours = receipts.load(self.layout)
        self.by_path = {receipt.path: receipt for receipt in self.ours.values()}
        self.records = records(self.layout) if self.read is None else self.read

    def choice(self, manifest: Manifest, file: ModelFile) -> Choice:
        model = file.model
        found = self.folders.find(model.folder, model.path) if model.folder else None
        loaded = found is not None and found[0] == file.path and file.path == clean_text(file.path)
        override = manifest.override_for(model.folder, model.path)
        return Choice(
            model=model,
            path=Path(file.path),
            record=self.records.get(file.path),
            receipt=self._receipt(file, loaded=loaded, bound=bool(override and override.digest)),
            told=override,
            size=file.size,
            identity=file.identity,
            loaded=loaded,
        )

    def _receipt(self, file: ModelFile, *, loaded: bool, bound: bool) -> Receipt | None:
        receipt = self.by_path.get(file.path)
        info = regular_stat(file.path)
        if loaded and receipt is None:
            receipt = self.ours.get(file.model.key)
            if receipt is None and info is not None:
                receipt = self.trust.of_store(
                    self.folders.store, file.model, file.path, info, bound=bound
                )
        if receipt is not None and receipt.identified and info is not None:
            return receipt if self.trust.holds(receipt, file.path, info) else None
        return receipt


def records(layout: Layout) -> dict[str, Record]:
    """The newest record of every place, also of models that no workflow needs any more."""
    found = [
        record
        for path in sorted(layout.sources.glob("*.json"))
        if (record := json_file.read(path, Record))
    ]
    return {record.destination: record for record in sorted(found, key=lambda r: r.number)}
