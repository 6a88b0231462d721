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
        yield from _confirmed(resource, wanted, services)
    if fits:
        return
    for resource in known:
        if any(loose(other) == akin for other in resource.names):
            yield Rejected(source=NAME, where=resource.model, reason=because(Why.NAME_AKIN))


def _confirmed(resource: Resource, wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the first address that leads to the database's file, and why those before it do not.

    Raises SourceDown when none does and one of them could not be asked.
    """
    down: SourceDown | None = None
    for url in addresses(resource):
        if is_archive(url):
            reason = because(Why.ARCHIVE_IN_BETWEEN)
            yield Rejected(source=NAME, where=url, reason=reason)
            continue
        hint = Hint(name=wanted.model.name, url=url, sha256=resource.sha256)
        try:
            finding = _judged(confirm_url(hint, NAME, services), url, resource, wanted)
        except SourceDown as problem:
            down = problem
            continue
        services.log_search(wanted, NAME, url, told(finding))
        yield finding
        if not isinstance(finding, Rejected):
            return
    if down:
        raise down
    if not resource.urls:
        reason = because(Why.DATABASE_NO_ADDRESS)
        yield Rejected(source=NAME, where=resource.model, reason=reason)


def _judged(finding: Finding, url: str, resource: Resource, wanted: Wanted) -> Finding:
    """What an address has come to, held against what the database says of the file."""
    if isinstance(finding, Blocked):
        return Blocked(_told(finding.candidate, resource, wanted), finding.problem)
    if isinstance(finding, Rejected):
        # The database says that the file lies there: then a page is what leads to it.
        page = finding.reason.why == Why.WEB_PAGE
        reason = because(Why.PAGE_IN_BETWEEN) if page else finding.reason
        return Rejected(source=NAME, where=url, reason=reason)
    if isinstance(finding, Candidate):
        if finding.sha256 in (None, resource.sha256) and _same_size(finding, resource):
            return _told(finding, resource, wanted)
        return Rejected(source=NAME, where=url, reason=because(Why.DATABASE_OTHER_FILE))
    return finding


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
