"""Proven: where a model can be had, for everyone and as its provider has confirmed it.

Nothing counts that only this user can reach or knows: files here, pins, addresses with a token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import msgspec

from comfyfix.errors import HostRefused, ModelProblem
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import CIVITAI, HUGGINGFACE, read_url
from comfyfix.net.urls.hub_address import HubFile
from comfyfix.records import Candidate, Hint, Reason, Record, because
from comfyfix.settings.overrides import Locked
from comfyfix.sources import openmodeldb, workflow
from comfyfix.sources.base import Blocked, Doubtful
from comfyfix.stages.addresses.addressed import Records, bound_to
from comfyfix.stages.addresses.embed import Address
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.stages.search.demand import still_wanted
from comfyfix.why import Why

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HARMLESS: tuple[dict[str, list[str]], ...] = ({}, {"download": ["true"]})


@dataclass(frozen=True, slots=True)
class Proofs:
    """What can be proven in one project: what its manifest says of a place counts for nothing."""

    records: Records

    def of(self, item: Planned | Present) -> Address | Reason:
        """Where everybody can have a model, or why that is not known. Never raises a problem."""
        if any(reference.kind == "directory" for reference in item.references):
            return because(Why.EMBED_DIRECTORY)
        record = self._record(item)
        return record if isinstance(record, Reason) else _proof(record)

    def _record(self, item: Planned | Present) -> Record | Reason:
        free, pin = msgspec.structs.replace(item, override=None), item.override
        if isinstance(item, Present) or isinstance(free, Present) or item.problem is not None:
            return self.records.of(free)
        record, receipt = item.record, item.receipt
        if pin and not isinstance(pin, Locked) and (pin.names_a_place or pin.digest):
            digests = (pin.digest, record and record.sha256, receipt and receipt.sha256)
            pinned = next((digest for digest in digests if digest), None)
            if pinned is None:
                return because(Why.EMBED_PINNED)
            receipt = bound_to(item.model, item.location, pinned)
            proven = self.records.of(msgspec.structs.replace(free, record=None, receipt=receipt))
            return proven if isinstance(proven, Record) else because(Why.EMBED_PINNED)
        if record and not still_wanted(record, item, self.records.services.manifest):
            record = None
        return self.records.of(msgspec.structs.replace(free, record=record))

    def leads(self, name: str, url: object) -> str | Reason | None:
        """The sha256 of what an address leads to; empty for one that is to be replaced."""
        if not isinstance(url, str):
            return ""
        if not (clean := self._is_clean(url)):
            return "" if clean is False else None
        try:
            finding = workflow.confirm_url(
                Hint(name=name, url=url), workflow.NAME, self.records.services
            )
        except ModelProblem as problem:
            return problem.reason
        if isinstance(finding, Blocked | Doubtful):
            finding = finding.candidate
        return finding.sha256 if isinstance(finding, Candidate) else ""

    def _is_clean(self, url: str) -> bool | None:
        """Tell whether an address says nothing but which file it names: no token, no user.

        None: so it seems, but its host is not to be asked.
        """
        manifest = self.records.services.manifest
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


def _proof(record: Record) -> Address | Reason:
    """What a record proves."""
    if record.files:
        return _proof_of_set(record)
    if record.private:
        return because(Why.EMBED_PRIVATE)
    published = record.source == openmodeldb.NAME and not urlsplit(record.url).query
    pinned = record.url.startswith(f"{HUGGINGFACE}/") and _COMMIT.fullmatch(record.commit)
    if not record.sha256 or not (pinned or published or record.url.startswith(f"{CIVITAI}/")):
        return because(Why.EMBED_UNPROVEN)
    folder = record.model.folder or ""
    return Address(record.model.key, record.url, record.sha256, folder)


def _proof_of_set(record: Record) -> Address | Reason:
    """What a record proves of each shard: of what lies beside them no node tells an address."""
    own = record.model.shards
    shards = [member for member in record.members if member.model.path in own]
    parts = []
    for member in sorted(shards, key=lambda m: m.model.path):
        proof = _proof(member)
        if isinstance(proof, Reason):
            return proof
        parts.append(proof)
    return parts[0]._replace(parts=tuple(parts)) if parts else because(Why.EMBED_UNPROVEN)
