"""Addressed: the record of each model of a project, from an address and not from this disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from comfyfix.disk.files import git_blob_of, regular_stat
from comfyfix.errors import ModelProblem, system_says
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Reason, Receipt, Record, because
from comfyfix.settings.manifest import Manifest
from comfyfix.sources import store
from comfyfix.sources.base import Services
from comfyfix.stages.needs.hints import Hints
from comfyfix.stages.needs.join import Need
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.stages.search.demand import is_strict, still_wanted
from comfyfix.stages.search.resolve import resolve
from comfyfix.state.hashing import FileChanged
from comfyfix.why import Why


def searching(manifest: Manifest) -> Manifest:
    """The manifest to search with: what lies here is no address."""
    sources = tuple(name for name in manifest.search.sources if name != store.NAME)
    return msgspec.structs.replace(
        manifest,
        search=msgspec.structs.replace(manifest.search, sources=sources),
        include=msgspec.structs.replace(manifest.include, inactive=True),
    )


@dataclass(frozen=True, slots=True)
class Records:
    """Finds the record of each model.

    `hints` are addresses of the workflows; `hashing` hears which file is hashed.
    `unasked` are the keys of models of which some source could not be asked.
    """

    services: Services
    hints: Hints
    hashing: Callable[[str], object]
    unasked: set[str] = field(default_factory=set)

    def of(self, item: Planned | Present) -> Record | Reason:
        """The record of a model, or why there is none. Never raises a problem."""
        try:
            return self._of(item)
        except ModelProblem as problem:
            if problem.outcome == Outcome.SOURCE_DOWN:
                self.unasked.add(item.model.key)
            return problem.reason
        except FileChanged:
            return because(Why.FILE_CHANGES)
        except OSError as error:
            return system_says(error)

    def _of(self, item: Planned | Present) -> Record | Reason:
        if isinstance(item, Present) and item.files is not None:
            named = self._search(_as_planned(item, self.hints), None)
            is_here = all(self._is_there(member) for member in named.members)
            return named if is_here else because(Why.ANOTHER_IS_THERE, where=named.where)
        if isinstance(item, Present):
            if item.receipt is None:
                self.hashing(item.model.name)
            digest = item.receipt.sha256 if item.receipt else self.services.hash_of(item.path)
            return _of_content(self._search(_as_planned(item, self.hints), digest), digest)
        if item.problem is not None:
            return item.problem.reason
        record, manifest = item.record, self.services.manifest
        if record and still_wanted(record, item, manifest) and not is_strict(item, manifest):
            if not record.local:
                return record
            return self._search(item, record.sha256)
        return self._search(item, item.receipt.sha256 if item.receipt else None)

    def _is_there(self, member: Record) -> bool:
        """Tell whether one file of a directory or a set is the one that was found."""
        path = Path(member.destination)
        info = regular_stat(path)
        if info is None or info.st_size != member.size:
            return False
        if member.sha256:
            return self.services.hash_of(path) == member.sha256
        return bool(member.blob) and git_blob_of(path) == member.blob

    def _search(self, item: Planned, digest: str | None) -> Record:
        """Search for a model, for this very content where one is known. Raises ModelProblem."""
        binding = bound_to(item.model, item.location, digest) if digest else None
        return resolve(msgspec.structs.replace(item, record=None, receipt=binding), self.services)


def _of_content(record: Record, sha256: str) -> Record | Reason:
    """The record, unless the first shard of a set has another content than the one that is here."""
    if record.files and sha256 not in {member.sha256 for member in record.members}:
        return because(Why.EMBED_UNPROVEN)
    return record


def _as_planned(item: Present, hints: Hints) -> Planned:
    need = Need(model=item.model, references=list(item.references))
    return Planned(
        model=item.model,
        number=0,
        task="",
        location=item.location,
        pending=None,
        references=item.references,
        hints=hints.of(need),
        override=item.override,
        is_directory=item.is_directory,
    )


def bound_to(model: Model, path: str, digest: str) -> Receipt:
    """A receipt that binds a search to one content."""
    return Receipt(model=model.key, path=path, size=0, sha256=digest, mtime_ns=0, at="")
