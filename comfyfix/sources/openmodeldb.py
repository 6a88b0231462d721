"""OpenModelDB as a source: the addresses that it names for an upscaler, confirmed where they lead.

Pages in between (MediaFire, Mega, Google Drive) are told and not asked: who has nothing better gets
the file there by hand. What is published at the other addresses must be the database's file: same
size and, where one is told, same sha256.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from comfyfix.errors import SourceDown
from comfyfix.file_names import loose
from comfyfix.providers.openmodeldb import Resource, addresses, is_archive
from comfyfix.records import Candidate, Hint, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services, Wanted, logged, rejected
from comfyfix.sources.workflow import confirm_url
from comfyfix.why import Why

NAME = "openmodeldb"
DECISIVE = False
FOLDER = "upscale_models"
RESOURCES_MAX = 6


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the files that have the wanted hash, or else those that bear the wanted name."""
    if wanted.model.folder != FOLDER:
        yield rejected(NAME, "", Why.DATABASE_UPSCALERS_ONLY)
        return
    name, resources = wanted.model.name, services.openmodeldb.files()
    fits = [r for r in resources if r.sha256 in wanted.likely]
    fits = fits or [r for r in resources if name in r.names]
    services.log_search(wanted, NAME, name, {"fit": len(fits), "known": len(resources)})
    for resource in fits[:RESOURCES_MAX]:
        yield from _confirmed(resource, wanted, services)
    for resource in () if fits else resources:
        if any(loose(other) == loose(name) for other in resource.names):
            yield rejected(NAME, resource.model, Why.NAME_AKIN)


def _confirmed(resource: Resource, wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the first address that leads to the database's file, and why those before it do not.

    Raises SourceDown when none does and one of them could not be asked.
    """
    down: SourceDown | None = None
    for url in addresses(resource):
        if is_archive(url):
            yield rejected(NAME, url, Why.ARCHIVE_IN_BETWEEN)
            continue
        hint = Hint(name=wanted.model.name, url=url, sha256=resource.sha256)
        try:
            finding = _judged(confirm_url(hint, NAME, services), url, resource, wanted)
        except SourceDown as problem:
            down = problem
            continue
        services.log_search(wanted, NAME, url, logged(finding))
        yield finding
        if not isinstance(finding, Rejected):
            return
    if down:
        raise down
    if not resource.urls:
        yield rejected(NAME, resource.model, Why.DATABASE_NO_ADDRESS)


def _judged(finding: Finding, url: str, resource: Resource, wanted: Wanted) -> Finding:
    """What an address has come to, held against what the database says of the file."""
    if isinstance(finding, Blocked):
        return Blocked(_as_listed(finding.candidate, resource, wanted), finding.problem)
    if isinstance(finding, Rejected):
        # The database says that the file lies there: then a page is what leads to it.
        page = finding.reason.why == Why.WEB_PAGE
        reason = because(Why.PAGE_IN_BETWEEN) if page else finding.reason
        return Rejected(source=NAME, where=url, reason=reason)
    if isinstance(finding, Candidate):
        if finding.sha256 in (None, resource.sha256) and _same_size(finding, resource):
            return _as_listed(finding, resource, wanted)
        return rejected(NAME, url, Why.DATABASE_OTHER_FILE)
    return finding


def _same_size(found: Candidate, resource: Resource) -> bool:
    return found.size is None or not found.size_exact or found.size == resource.size


def _as_listed(found: Candidate, resource: Resource, wanted: Wanted) -> Candidate:
    """Add what the database says; its name for a file is meant for this address."""
    is_listed = wanted.model.name in resource.names
    return msgspec.structs.replace(
        found,
        name=wanted.model.name if is_listed else found.name,
        renamed=found.name != wanted.model.name,
        size=resource.size,
        size_exact=True,
        sha256=resource.sha256,
        publisher=resource.author or found.publisher,
        licence=resource.licence or found.licence,
        evidence=(because(Why.DATABASE_LISTS, model=resource.model), *found.evidence),
    )
