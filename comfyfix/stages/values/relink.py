"""Relink: values that ComfyUI refuses although their file is there, and the ones that it takes.

A workflow is put right in a copy, of which nothing but these values differs from the original.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from comfyfix.comfyui.loaders.table import Loaders
from comfyfix.comfyui.references import find as references
from comfyfix.comfyui.references.lookup import Lookup, anchored, parts_of
from comfyfix.comfyui.references.taken import value_taken
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows import edited, marked
from comfyfix.comfyui.workflows import read as workflow
from comfyfix.records import Left, Model, Reason, Reference, because
from comfyfix.stages.values.near import near_misses
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Fix:
    """One refused value: `instead` is what ComfyUI takes, `location` where that file lies."""

    reference: Reference
    instead: str
    location: str


@dataclass(frozen=True, slots=True)
class RelinkedCopy:
    """A workflow put right: its path, the copy's path and bytes, and what differs."""

    path: str
    copy: str
    data: bytes
    fixes: tuple[Fix, ...]
    left: tuple[Left, ...]
    there: bool = False


class Finder:
    """Finds what ComfyUI takes instead, for many references of one installation."""

    def __init__(self, lookup: Lookup, index: StoreIndex) -> None:
        self._lookup = lookup
        self._index = index

    def remedy(self, reference: Reference) -> Fix | Left | None:
        """What helps against a refused value; None: it is taken, or its file is not there."""
        if not reference.listed or reference.folder is None:
            return None
        taken = value_taken(reference, self._lookup.folders, self._lookup)
        if taken == reference.value:
            return None
        if taken is not None:
            return Fix(reference, taken, self._location(reference, taken))
        if reference.kind == "directory":
            return self._only(reference, self._directories(reference))
        if reference.files or parts_of(reference):
            return None
        return self._bare(reference) or self._near(reference, reference.folder)

    def _bare(self, reference: Reference) -> Fix | None:
        """The file of a name around whose parts blanks stand."""
        name = "/".join(part.strip() for part in anchored(reference.path).split("/"))
        hit = self._lookup.file(reference, name) if name != reference.path else None
        return Fix(reference, hit.name, hit.location) if hit else None

    def _directories(self, reference: Reference) -> dict[str, str]:
        """The directories that have the name but for case and blanks, and where each lies."""
        parts = [part.strip().casefold() for part in anchored(reference.path).split("/")]
        folders = self._lookup.folders
        places: dict[str, str] = {}
        for key in (reference.folder or "", *reference.also):
            for directory in folders.directories(key):
                for name in _spelled(str(directory), parts):
                    if place := folders.directory(key, name):
                        places.setdefault(name, place)
        return places

    @staticmethod
    def _only(reference: Reference, places: Mapping[str, str]) -> Fix | Left | None:
        if len(places) > 1:
            return Left(reference, because(Why.RELINK_SEVERAL, names=list(places)))
        return next((Fix(reference, name, place) for name, place in places.items()), None)

    def _near(self, reference: Reference, folder: str) -> Fix | Left | None:
        """A file of the very name, in other case or in a subfolder of its own, if it is one."""
        model = Model(folder=folder, path=anchored(reference.path))
        near = near_misses(self._index, self._lookup.folders, model)
        for kind in (Why.NEAR_CASE, Why.NEAR_SUBFOLDER):
            fit = [miss for miss in near if miss.kind is kind]
            if len(fit) > 1:
                shown = [miss.shown for miss in fit]
                return Left(reference, because(Why.RELINK_SEVERAL, names=shown))
            if fit:
                return Fix(reference, fit[0].shown.removeprefix(f"{folder}/"), fit[0].path)
        return None

    def _location(self, reference: Reference, taken: str) -> str:
        if reference.kind == "directory":
            keys = (reference.folder or "", *reference.also)
            places = (self._lookup.folders.directory(key, taken) for key in keys)
            return next(filter(None, places), "")
        hit = self._lookup.file(reference, taken)
        return hit.location if hit else ""


def _spelled(directory: str, parts: Sequence[str]) -> list[str]:
    """The folders below a directory that have these names in any case, by their paths there."""
    spelled = [""]
    for part in parts:
        spelled = [
            os.path.join(above, name)
            for above in spelled
            for name in _names(os.path.join(directory, above))
            if name.casefold() == part
        ]
    return spelled


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as listed:
            return sorted(entry.name for entry in listed if entry.is_dir())
    except OSError:
        return []


def copy_of(path: str, name: str, loaders: Loaders, finder: Finder) -> RelinkedCopy | Reason:
    """Put a workflow right in memory. Raises NotAWorkflow, OSError.

    A reason is told for what can't be: only JSON can be written so that all else stays.
    """
    source = edited.opened(path)
    if isinstance(source, Reason):
        return source
    named = references.references(workflow.of_value(source.value), name, loaders)
    fixes, left = _sorted_out(named, finder)
    data = source.with_edits(
        {span: marked.quoted(source.text, fix.instead) for span, fix in fixes.items()}
    )
    copy, is_there = edited.place(path, data, "relinked")
    return RelinkedCopy(path, copy, data, tuple(fixes.values()), tuple(left), is_there)


def _sorted_out(
    named: Iterable[Reference], finder: Finder
) -> tuple[dict[marked.Span, Fix], list[Left]]:
    """What can be put right, each place once; a place that serves several nodes must suit all."""
    remedies = [(reference, finder.remedy(reference)) for reference in named]
    values: dict[marked.Span, set[str]] = {}
    for reference, remedy in remedies:
        if isinstance(reference.value, marked.Mark) and reference.listed:
            value = remedy.instead if isinstance(remedy, Fix) else str(reference.value)
            values.setdefault(reference.value.span, set()).add(value)
    fixes: dict[marked.Span, Fix] = {}
    left: list[Left] = []
    for reference, remedy in remedies:
        if isinstance(remedy, Left):
            left.append(remedy)
        elif remedy and not isinstance(reference.value, marked.Mark):
            left.append(Left(reference, because(Why.RELINK_MADE)))
        elif remedy and isinstance(reference.value, marked.Mark):
            span = reference.value.span
            if len(values[span]) > 1:
                left.append(Left(reference, because(Why.RELINK_SHARED)))
            else:
                fixes.setdefault(span, remedy)
    return fixes, left


def remedies(named: Iterable[Reference], finder: Finder) -> list[Fix | Left]:
    """What helps against each value that ComfyUI refuses, though its file is there."""
    return list(filter(None, map(finder.remedy, named)))
