"""Proven: where a model can be had, for everyone and as its provider has confirmed it.

Nothing counts that only this user can reach or knows: files here, pins, addresses with a token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from comfyfix.disk.files import git_blob_of, regular_stat
from comfyfix.errors import HostRefused, ModelProblem
from comfyfix.net.civitai_address import CivitaiFile
from comfyfix.net.hosts import CIVITAI, HUGGINGFACE, HubFile, read_url
from comfyfix.records import Candidate, Hint, Model, Reason, Receipt, Record, because
from comfyfix.settings.manifest import Locked, Manifest
from comfyfix.sources import openmodeldb, store, workflow
from comfyfix.sources.base import Blocked, Doubtful, Services
from comfyfix.stages.embed import Found
from comfyfix.stages.join import Need
from comfyfix.stages.resolve import is_strict, resolve, still_wanted
from comfyfix.stages.told import Told
from comfyfix.stages.work import Planned, Present
from comfyfix.why import Why

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HARMLESS: tuple[dict[str, list[str]], ...] = ({}, {"download": ["true"]})


def searching(manifest: Manifest) -> Manifest:
    """The manifest to search with: what lies here is no address."""
    sources = tuple(name for name in manifest.search.sources if name != store.NAME)
    return msgspec.structs.replace(
        manifest,
        search=msgspec.structs.replace(manifest.search, sources=sources),
        include=msgspec.structs.replace(manifest.include, inactive=True),
    )


@dataclass(frozen=True, slots=True)
class Proofs:
    """What can be proven in one project; `told` are the addresses of its workflows.

    `own`: for the project alone, so that what its manifest says of a place counts too.
    """

    services: Services
    told: Told
    hashing: Callable[[str], object]
    own: bool = False

    def of(self, item: Planned | Present) -> Found | Reason:
        """Where everybody can have a model, or why that is not known. Never raises a problem."""
        if any(reference.kind == "directory" for reference in item.references):
            return because(Why.EMBED_DIRECTORY)
        record = self.record(item)
        return record if isinstance(record, Reason) else _found(record)

    def record(self, item: Planned | Present) -> Record | Reason:
        """The record of a model, from an address. Never raises a problem."""
        try:
            return self._record(item)
        except ModelProblem as problem:
            return problem.reason
        except OSError as error:
            return because(Why.SYSTEM_SAYS, error=error.strerror or error)

    def leads(self, name: str, url: object) -> str | Reason | None:
        """The sha256 of what an address leads to; empty for one that is to be replaced."""
        clean = self._is_clean(url) if isinstance(url, str) else False
        if not isinstance(url, str) or not clean:
            return "" if clean is False else None
        try:
            finding = workflow.confirm_url(Hint(name=name, url=url), workflow.NAME, self.services)
        except ModelProblem as problem:
            return problem.reason
        if isinstance(finding, Blocked | Doubtful):
            finding = finding.candidate
        return finding.sha256 if isinstance(finding, Candidate) else ""

    def _is_clean(self, url: str) -> bool | None:
        """Tell whether an address says nothing but which file it names: no token, no user.

        None: so it seems, but its host is not to be asked.
        """
        manifest = self.services.manifest
        try:
            parts = urlsplit(url)
            target = read_url(url, manifest.endpoints, manifest.download.allow_hosts)
        except HostRefused as refusal:
            unlisted = refusal.reason.why == Why.ADDRESS_NOT_LISTED
            return None if unlisted and not parts.query else False
        except ValueError:
            return False
        if isinstance(target, HubFile):
            return parse_qs(parts.query, keep_blank_values=True) in _HARMLESS
        if isinstance(target, CivitaiFile):
            asked = {*parse_qs(parts.query, keep_blank_values=True)} - {"modelVersionId"}
            return asked <= {*parse_qs(target.query)}
        return not parts.query

    def _record(self, item: Planned | Present) -> Record | Reason:
        if isinstance(item, Present) and item.files is not None:
            found = self._search(_as_planned(item, self.told), None)
            there = all(self._is_there(member) for member in found.members)
            return found if there else because(Why.ANOTHER_IS_THERE, where=found.where)
        if isinstance(item, Present):
            if item.receipt is None:
                self.hashing(item.model.name)
            digest = item.receipt.sha256 if item.receipt else self.services.hash_of(item.path)
            return _of_content(self._search(_as_planned(item, self.told), digest), digest)
        if item.problem is not None:
            return item.problem.reason
        override, record, receipt = item.override, item.record, item.receipt
        by_user = override and not isinstance(override, Locked) and not self.own
        if override and by_user and (override.names_a_place or override.digest):
            known = (override.digest, record and record.sha256, receipt and receipt.sha256)
            pinned = next((digest for digest in known if digest), None)
            try:
                return self._search(item, pinned) if pinned else because(Why.EMBED_PINNED)
            except ModelProblem:
                return because(Why.EMBED_PINNED)
        manifest = self.services.manifest
        if record and still_wanted(record, item, manifest) and not is_strict(item, manifest):
            if not record.local:
                return record
            return self._search(item, record.sha256)
        return self._search(item, receipt.sha256 if receipt else None)

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
        known = _receipt(item.model, item.location, digest) if digest else None
        override = item.override if self.own else None
        return resolve(replace(item, override=override, record=None, receipt=known), self.services)


def _of_content(record: Record, sha256: str) -> Record | Reason:
    """The record, unless the first shard of a set has another content than the one that is here."""
    if record.files and sha256 not in {member.sha256 for member in record.members}:
        return because(Why.EMBED_UNPROVEN)
    return record


def _found(record: Record) -> Found | Reason:
    """What a record proves."""
    if record.files:
        return _found_set(record)
    if record.private:
        return because(Why.EMBED_PRIVATE)
    published = record.source == openmodeldb.NAME and not urlsplit(record.url).query
    pinned = record.url.startswith(f"{HUGGINGFACE}/") and _COMMIT.fullmatch(record.commit)
    if not record.sha256 or not (pinned or published or record.url.startswith(f"{CIVITAI}/")):
        return because(Why.EMBED_UNPROVEN)
    folder = record.model.folder or ""
    return Found(record.model.key, record.url, record.sha256, folder)


def _found_set(record: Record) -> Found | Reason:
    """What a record proves of each shard: of what lies beside them no node tells an address."""
    own = record.model.shards
    shards = [member for member in record.members if member.model.path in own]
    found = [_found(member) for member in sorted(shards, key=lambda m: m.model.path)]
    parts = [one for one in found if isinstance(one, Found)]
    if not parts or len(parts) != len(found):
        return next((o for o in found if isinstance(o, Reason)), because(Why.EMBED_UNPROVEN))
    return parts[0]._replace(parts=tuple(parts))


def _as_planned(item: Present, told: Told) -> Planned:
    need = Need(model=item.model, references=list(item.references))
    return Planned(
        model=item.model,
        number=0,
        task="",
        location=item.location,
        pending=None,
        references=item.references,
        hints=told.of(need),
        override=item.override,
        is_directory=item.is_directory,
    )


def _receipt(model: Model, path: str, digest: str) -> Receipt:
    """A receipt that binds a search to one content."""
    return Receipt(model=model.key, path=path, size=0, sha256=digest, mtime_ns=0, at="")
