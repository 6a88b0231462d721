"""OpenModelDB as a source: the addresses that it names for an upscaler, confirmed where they lead.

Those of web pages in between (MediaFire, Mega, Google Drive) are skipped. What is published at
the others must be the database's file: same size and, where one is told, same sha256.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from comfyfix.errors import SourceDown
from comfyfix.file_names import loose
from comfyfix.providers.openmodeldb import Resource, file_name
from comfyfix.records import Candidate, Hint, Reason, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services, Wanted
from comfyfix.sources.workflow import confirm_url, told
from comfyfix.why import Why

NAME = "openmodeldb"
DECISIVE = False
FOLDER = "upscale_models"
RESOURCES_MAX = 6


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the files that have the wanted hash, or else those that bear the wanted name."""
    if wanted.model.folder != FOLDER:
        yield Rejected(source=NAME, where="", reason=because(Why.DATABASE_UPSCALERS_ONLY))
        return
    known = services.openmodeldb.files()
    name, akin = wanted.model.name, loose(wanted.model.name)
    fits = [r for r in known if r.sha256 in wanted.likely] or [r for r in known if name in r.names]
    services.log_search(wanted, NAME, name, {"fit": len(fits), "known": len(known)})
    for resource in fits[:RESOURCES_MAX]:
        yield _confirmed(resource, wanted, services)
    if fits:
        return
    for resource in known:
        if any(loose(other) == akin for other in resource.names):
            yield Rejected(source=NAME, where=resource.model, reason=because(Why.NAME_AKIN))


def _confirmed(resource: Resource, wanted: Wanted, services: Services) -> Finding:
    """Return the first address that leads to the database's file, or why none does.

    Raises SourceDown when none does and one of them could not be asked.
    """
    refused: list[Reason] = []
    down: SourceDown | None = None
    for url in resource.urls:
        if not file_name(url):
            refused.append(_at(_host(url), because(Why.PAGE_IN_BETWEEN)))
            continue
        hint = Hint(name=wanted.model.name, url=url, sha256=resource.sha256)
        try:
            finding = confirm_url(hint, NAME, services)
        except SourceDown as problem:
            down = problem
            continue
        services.log_search(wanted, NAME, url, told(finding))
        if isinstance(finding, Blocked):
            return Blocked(_told(finding.candidate, resource, wanted), finding.problem)
        if isinstance(finding, Rejected):
            refused.append(_at(url, finding.reason))
        elif isinstance(finding, Candidate):
            if finding.sha256 in (None, resource.sha256) and _same_size(finding, resource):
                return _told(finding, resource, wanted)
            refused.append(_at(url, because(Why.DATABASE_OTHER_FILE)))
    if down:
        raise down
    why = Why.AT_PLACES if refused else Why.DATABASE_NO_ADDRESS
    return Rejected(source=NAME, where=resource.model, reason=because(why, places=refused))


def _at(place: str, reason: Reason) -> Reason:
    return because(Why.AT_PLACE, place=place, reason=reason)


def _host(url: str) -> str:
    """The host of an address, or the whole of what is none."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _same_size(found: Candidate, resource: Resource) -> bool:
    return found.size is None or not found.size_exact or found.size == resource.size


def _told(found: Candidate, resource: Resource, wanted: Wanted) -> Candidate:
    """Add what the database says; its name for a file is meant for this address."""
    named = wanted.model.name in resource.names
    return msgspec.structs.replace(
        found,
        name=wanted.model.name if named else found.name,
        renamed=found.name != wanted.model.name,
        size=resource.size,
        size_exact=True,
        sha256=resource.sha256,
        publisher=resource.author or found.publisher,
        licence=resource.licence or found.licence,
        evidence=(because(Why.DATABASE_LISTS, model=resource.model), *found.evidence),
    )
