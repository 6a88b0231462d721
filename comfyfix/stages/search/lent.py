"""Lent: what no source gives, for want of a network, a token or an address, lies near by perhaps.

Only where a sha256 is known: that of a file behind a gate, the user's own or a workflow's. The
record is that of the network all the same, where an address is known: a cache of the Hub tells
repository and commit. Else it is that of the file near by, which is copied.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import msgspec

from comfyfix.errors import HostRefused
from comfyfix.nearby.hub_cache import Cached
from comfyfix.nearby.leads import Lead, Sought
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import CIVITAI, HUGGINGFACE, read_url
from comfyfix.net.urls.hub_address import HubFile, hub_path, hub_repo
from comfyfix.records import Candidate, Hint, Rejected, because
from comfyfix.sources import workflow
from comfyfix.sources.base import Blocked, Services, Wanted
from comfyfix.why import Why

NAME = "near"
"""The source of a record that has no address but a file of this machine."""
_FLAGS = (Why.SCAN_FLAGS, Why.CIVITAI_SCAN)


def stand_in(
    wanted: Wanted, stuck: Iterable[Blocked], rejected: Iterable[Rejected], services: Services
) -> Candidate | None:
    """The file near by that is the wanted one, byte for byte; None where there is none.

    What a provider's own scan has flagged stays refused.
    """
    if any(miss.reason.why in _FLAGS for miss in rejected):
        return None
    for blocked in stuck:
        candidate = blocked.candidate
        if candidate.sha256 and (lead := _proven(candidate, wanted, services)):
            note = because(Why.NEAR_STANDS_IN, place=lead.path)
            return msgspec.structs.replace(candidate, note=note)
    for sha256 in sorted(wanted.likely):
        lead = _proven(Candidate(source=NAME, where="", sha256=sha256), wanted, services)
        if lead is not None:
            return _lent(lead, sha256, wanted, services)
    return None


def _proven(candidate: Candidate, wanted: Wanted, services: Services) -> Lead | None:
    names = (candidate.name, wanted.model.name)
    sought = Sought(candidate.sha256 or "", candidate.size, candidate.size_exact, names)
    lender = services.lender_of(sought, wanted.destination)
    lead = lender.proven() if lender else None
    answer = {"found": lead.path} if lead else {"files": len(lender.leads) if lender else 0}
    services.log_search(wanted, NAME, sought.sha256, answer)
    return lead


def _lent(lead: Lead, sha256: str, wanted: Wanted, services: Services) -> Candidate:
    of_this_machine = Candidate(
        source=NAME, where=lead.path, name=lead.path.rpartition("/")[2], local=lead.path, lent=True
    )
    addresses = (*_of_cache(lead.cached), *_of_hints(wanted, sha256, services))
    return msgspec.structs.replace(
        addresses[0] if addresses else of_this_machine,
        size=lead.size,
        sha256=sha256,
        evidence=(because(Why.HASH_WANTED),),
        note=because(Why.NEAR_STANDS_IN, place=lead.path),
    )


def _of_cache(cached: Cached | None) -> Iterator[Candidate]:
    if cached is None or not cached.commit:
        return
    with contextlib.suppress(HostRefused):
        file = HubFile(hub_repo(cached.repo), cached.commit, hub_path(cached.path))
        yield _of_hub("huggingface", file, cached.commit)


def _of_hints(wanted: Wanted, sha256: str, services: Services) -> Iterator[Candidate]:
    """The addresses that come with the hash: the user's own, or those of workflows."""
    place = workflow.address(wanted.override) if wanted.override else ""
    hints = [Hint(name=wanted.model.name, url=place, sha256=sha256)] if place else wanted.hints
    for hint in hints:
        # An address without a hash is meant by who gives the hash beside it.
        meant = hint.sha256 == sha256 or (hint.sha256 is None and sha256 == wanted.sha256)
        if hint.url and meant:
            with contextlib.suppress(HostRefused):
                yield _at(hint.url, services)


def _at(url: str, services: Services) -> Candidate:
    manifest = services.manifest
    target = read_url(url, manifest.endpoints, manifest.download.allow_hosts)
    if isinstance(target, HubFile):
        return _of_hub(workflow.NAME, target)
    if isinstance(target, CivitaiFile):
        address = CIVITAI + target.download_path
        return Candidate(source=workflow.NAME, where=address, url=address)
    return Candidate(source=workflow.NAME, where=target.url, name=target.name, url=target.url)


def _of_hub(source: str, file: HubFile, commit: str = "") -> Candidate:
    return Candidate(
        source=source,
        where=file.repo,
        name=file.name,
        url=HUGGINGFACE + file.resolve_path(),
        repo=file.repo,
        commit=commit,
        path=file.path,
        publisher=file.publisher,
    )
