"""Needs: the references of all workflows, joined into one entry per model file."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from comfyfix.comfyui.references.lookup import Lookup, anchored
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import folder_key, is_folder_key
from comfyfix.disk.files import printable, relative_name
from comfyfix.errors import ModelProblem, NameRefused
from comfyfix.file_names import shards
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Receipt, Record, Reference
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Pending, Present
from comfyfix.why import Why

_ENDING = re.compile(r"\.[A-Za-z0-9_-]{1,16}$")
NAME_SHOWN = 400
"""Letters of a refused name that tell it from others, however long they are."""


@dataclass(slots=True)
class Need:
    """A model that some reference asks for, and what is known of its files so far.

    A set of shards is one model, whichever of them references name: that of its first shard.
    `named` is set where the file that is there has another path than it would have elsewhere.
    """

    model: Model
    named: Model | None = None
    problem: ModelProblem | None = None
    is_directory: bool = False
    override: Override | None = None
    references: list[Reference] = field(default_factory=list)
    pending: Pending | Outcome | None = None
    location: str = ""
    present: Present | None = None
    receipt: Receipt | None = None
    record: Record | None = None

    @property
    def lead(self) -> Reference:
        """The reference that asks for most: one that wants the very path, if there is one."""
        exact = (reference for reference in self.references if not reference.by_name)
        return next(exact, self.references[0])

    def as_present(
        self,
        size: int,
        mtime_ns: int,
        *,
        claimed: bool = False,
        files: tuple[str, ...] | None = None,
    ) -> Present:
        """What is simply there of it, and has no work to do."""
        return Present(
            model=self.model,
            location=self.location,
            references=tuple(self.references),
            override=self.override,
            named=self.named,
            receipt=self.receipt,
            size=size,
            mtime_ns=mtime_ns,
            claimed=claimed,
            files=files,
        )


def counts(manifest: Manifest, reference: Reference) -> bool:
    """Tell whether a reference asks for a model that should be here."""
    names_files = reference.kind in ("file", "embedding") or reference.is_directory
    active = reference.active or manifest.include.inactive
    needed = not reference.optional or manifest.include.optional
    return names_files and active and needed and not is_ignored(manifest, reference)


def is_ignored(manifest: Manifest, reference: Reference) -> bool:
    """Tell whether the user wants to hear nothing of what a reference names."""
    return any(
        fnmatch.fnmatchcase(text, pattern)
        for pattern in manifest.ignore
        for text in (reference.name, reference.path, f"{reference.folder}/{reference.path}")
    )


def join(manifest: Manifest, lookup: Lookup, files: Iterable[ScannedFile]) -> dict[str, Need]:
    """Join references into models, in the order of first sight; one file, one model."""
    needs: dict[str, Need] = {}
    by_location: dict[str, Need] = {}
    references = (reference for file in files for reference in file.references)
    for reference in filter(partial(counts, manifest), references):
        for value in _values(reference):
            need = _need_of(manifest, lookup, reference, value)
            first = needs.get(need.model.key, need)
            if first is need and need.location:
                # `ultralytics` + bbox/x.pt and `ultralytics_bbox` + x.pt are the same file.
                first = by_location.setdefault(need.location, need)
            if first is need:
                needs[need.model.key] = need
            first.references.append(reference)
    return needs


def _values(reference: Reference) -> tuple[str, ...]:
    """The names of the models that a reference asks for."""
    if reference.is_directory:
        return (reference.path,) if reference.files else (reference.value,)
    return reference.files or (reference.value,)


def _need_of(manifest: Manifest, lookup: Lookup, reference: Reference, value: str) -> Need:
    override = manifest.override_for(reference.folder, value.replace("\\", "/"))
    folder = reference.folder
    if override and override.folder:
        folder = folder_key(override.folder)
    if folder is not None and not is_folder_key(folder):
        folder = None
    place = {  # what the lock file tells has no node
        "workflow": reference.workflow,
        "node": reference.node_id,
        "type": reference.node_type,
    }
    try:
        path = _path(lookup, reference, value)
        if folder is not None and not reference.is_directory:
            _require_ending(lookup.folders, (folder, *reference.also), path)
    except NameRefused as refused:
        shown = Model(folder=folder, path=printable(reference.path, NAME_SHOWN))
        why = Why.NAME_REFUSED_AT if reference.node_type else Why.LOCK_NAME_REFUSED
        refused_here = NameRefused(why, name=value, cause=refused.reason, **place)
        return Need(model=shown, problem=refused_here)
    if folder is not None:
        path = lookup.folders.meant(folder, path)
    if not reference.is_directory:
        path = next(iter(shards(path)), path)
    model = Model(folder=folder, path=path)
    if folder is None:
        why = Why.FOLDER_UNTOLD if reference.node_type else Why.LOCK_FOLDER_REFUSED
        nowhere = ModelProblem(Outcome.FOLDER_UNKNOWN, why, path=path, name=model.name, **place)
        return Need(model=model, problem=nowhere)
    return Need(
        model=model,
        is_directory=reference.is_directory,
        location=lookup.folders.place(folder, path),
    )


def _path(lookup: Lookup, reference: Reference, value: str) -> str:
    """The path that a value names. Raises NameRefused.

    `./a` or `sub/../a` leads ComfyUI to `a`; where that is there it is what is needed.
    """
    try:
        return relative_name(value)
    except NameRefused:
        path = relative_name(anchored(value))
        is_directory = reference.kind == "directory"
        there = lookup.present(reference) if is_directory else lookup.file(reference, path)
        if path == value.replace("\\", "/") or not there:
            raise
        return path


def _require_ending(folders: Folders, keys: Iterable[str], path: str) -> None:
    """Refuse what ComfyUI lists in none of these folders. Raises NameRefused."""
    listed = [key for key in keys if folders.accepts(key, path)]
    # Of a folder that only a pack knows the endings are not known, but there is one.
    if not any(key == "classifiers" or _ENDING.search(path) for key in listed):
        raise NameRefused(Why.NAME_ENDING, name=path)
