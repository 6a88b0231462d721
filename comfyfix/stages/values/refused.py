"""Refused: the values of workflows that ComfyUI would not take although nothing is to be fetched.

It asks for the very path that its list has, also of a row that is switched off. Such a workflow is
not ready, however many of its models are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from comfyfix.comfyui.references.lookup import Lookup, anchored
from comfyfix.comfyui.references.taken import is_listed, value_taken
from comfyfix.disk import looked
from comfyfix.records import Reference
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.needs.join import counts, is_ignored
from comfyfix.stages.needs.scan import ScannedFile


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that ComfyUI refuses; `instead` is what it takes, None where the file is absent."""

    reference: Reference
    instead: str | None


class Refusing:
    """Tells what ComfyUI refuses, for many references of one installation."""

    def __init__(self, manifest: Manifest, lookup: Lookup) -> None:
        self._manifest = manifest
        self._lookup = lookup

    def of_files(self, files: Iterable[ScannedFile]) -> list[Refusal]:
        """The refused values of some workflows, in their order."""
        references = (reference for file in files for reference in file.references)
        return list(filter(None, map(self.of, references)))

    def of(self, reference: Reference) -> Refusal | None:
        """Tell whether a value is refused; what is needed and absent is told as that."""
        if not reference.listed or reference.folder is None or self._is_usual(reference):
            return None
        if is_ignored(self._manifest, reference):
            return None
        taken = value_taken(reference, self._lookup.folders, self._lookup)
        if taken == reference.value or (taken is None and self._is_told_as_absent(reference)):
            return None
        return Refusal(reference, taken)

    def _is_usual(self, reference: Reference) -> bool:
        """Nearly all values can only be taken or absent, so no disk has to be asked."""
        plain = (
            reference.active
            and not reference.files
            and is_listed(reference)
            and anchored(reference.value) == reference.value
        )
        return plain and reference.value.isprintable() and not self._folds_case

    def _is_told_as_absent(self, reference: Reference) -> bool:
        is_needed = counts(self._manifest, reference) or reference.active
        return is_needed and not self._lookup.present(reference)

    @cached_property
    def _folds_case(self) -> bool:
        """Tell whether the models lie on a disk to which upper and lower case are the same."""
        models = self._lookup.folders.models
        other = looked.at(models.with_name("MODELS"))
        own = looked.at(models) if other else None
        return bool(own and other and os.path.samestat(own, other))
