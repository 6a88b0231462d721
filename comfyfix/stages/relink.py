"""Relink: values that ComfyUI refuses although their file is there, and the ones that it takes.

A workflow is put right in a copy, of which nothing but these values differs from the original.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from comfyfix.comfyui.loaders.table import Loaders
from comfyfix.comfyui.references import find as references
from comfyfix.comfyui.references.lookup import Lookup, anchored, parts_of
from comfyfix.comfyui.references.taken import value_taken
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows import copies, marked, media
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.comfyui.workflows import read as workflow
from comfyfix.disk.files import write_new
from comfyfix.records import Model, Reason, Reference, because
from comfyfix.stages.near import near_misses
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Fix:
    """One refused value: `instead` is what ComfyUI takes, `location` where that file lies."""

    reference: Reference
    instead: str
    location: str


@dataclass(frozen=True, slots=True)
class Left:
    """One refused value that is left as it is, and why."""

    reference: Reference
    reason: Reason


@dataclass(frozen=True, slots=True)
class Copy:
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

    def look(self, reference: Reference) -> Fix | Left | None:
        """What helps against a refused value; None: it is taken, or its file is not there."""
        if not reference.listed or reference.folder is None:
            return None
        taken = value_taken(reference, self._lookup.folders, self._lookup)
        if taken == reference.value:
            return None
        if taken is not None:
            return Fix(reference, taken, self._location(reference, taken))
        if reference.kind == "directory" or reference.files or parts_of(reference):
            return None
        return self._near(reference, reference.folder)

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
        hit = None if reference.kind == "directory" else self._lookup.file(reference, taken)
        return hit.location if hit else ""


def copy_of(path: str, name: str, loaders: Loaders, finder: Finder) -> Copy | Reason:
    """Put a workflow right in memory. Raises NotAWorkflow, OSError.

    A reason is told for what can't be: only JSON can be written so that all else stays.
    """
    with workflow_files.open_file(path) as stream:
        if media.form_of(stream.read(media.HEAD)) is not None:
            return because(Why.RELINK_NO_JSON, path=path)
        stream.seek(0)
        data = stream.read(workflow.TEXT_MAX + 1)
    workflow.parse(data)  # holds it against every bound, and tells what is broken
    if not os.path.isfile(path):
        return because(Why.RELINK_IN_ZIP, path=path)
    mark, encoding = workflow.mark_of(data)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        return because(Why.RELINK_NOT_UTF8, path=path)
    found = references.references(workflow.of_value(marked.decode(text)), name, loaders)
    fixes, left = _sorted_out(found, finder)
    values = {
        fix.reference.value.span: fix.instead
        for fix in fixes
        if isinstance(fix.reference.value, marked.Mark)
    }
    made = mark + marked.rewritten(text, values).encode(encoding)
    copy, there = _place(path, made)
    return Copy(path, copy, made, tuple(fixes), tuple(left), there)


def write(copy: Copy) -> None:
    """Write a copy where nothing is. Raises OSError."""
    if not copy.there:
        write_new(Path(copy.copy), copy.data)


def _sorted_out(found: Iterable[Reference], finder: Finder) -> tuple[list[Fix], list[Left]]:
    """What can be put right, each place once; a place that serves several nodes must suit all."""
    looked = [(reference, finder.look(reference)) for reference in found]
    wanted: dict[marked.Span, set[str]] = {}
    for reference, told in looked:
        if isinstance(reference.value, marked.Mark) and reference.listed:
            instead = told.instead if isinstance(told, Fix) else str(reference.value)
            wanted.setdefault(reference.value.span, set()).add(instead)
    fixes: dict[marked.Span, Fix] = {}
    left: list[Left] = []
    for reference, told in looked:
        if isinstance(told, Left):
            left.append(told)
        elif told is not None and not isinstance(reference.value, marked.Mark):
            left.append(Left(reference, because(Why.RELINK_MADE)))
        elif told is not None and isinstance(reference.value, marked.Mark):
            span = reference.value.span
            if len(wanted[span]) > 1:
                left.append(Left(reference, because(Why.RELINK_SHARED)))
            else:
                fixes.setdefault(span, told)
    return list(fixes.values()), left


def _place(path: str, made: bytes) -> tuple[str, bool]:
    """Where a copy goes, and whether it lies there already."""
    for copy in copies.names(path):
        if not os.path.lexists(copy):
            return copy, False
        with contextlib.suppress(OSError), workflow_files.open_file(copy) as stream:
            if stream.read(len(made) + 1) == made:
                return copy, True
    return next(iter(copies.names(path))), False


def refused(found: Iterable[Reference], finder: Finder) -> Iterator[Fix | Left]:
    """What a workflow holds that ComfyUI refuses, though its file is there."""
    for reference in found:
        told = finder.look(reference)
        if told is not None:
            yield told
