"""The catalogues as a source: they only say where to ask.

A file counts once its provider has confirmed it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from comfyfix.records import Candidate, Rejected, because
from comfyfix.sources.base import Finding, Services, Wanted
from comfyfix.sources.workflow import confirm_url, told
from comfyfix.why import Why

NAME = "catalog"
DECISIVE = False


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield what the catalogues' addresses for this name and folder lead to."""
    known = services.catalogue.addresses(wanted.model.name)
    services.log_search(wanted, NAME, wanted.model.name, {"addresses": len(known)})
    for hint in known:
        if hint.folder != wanted.model.folder:
            reason = because(Why.CATALOGUE_FOLDER, folder=hint.folder)
            yield Rejected(source=NAME, where=hint.url, reason=reason)
            continue
        finding = confirm_url(hint, NAME, services)
        services.log_search(wanted, NAME, hint.url, told(finding))
        # The catalogue says that this address is meant for that name.
        if isinstance(finding, Candidate) and finding.name != hint.name:
            finding = msgspec.structs.replace(finding, name=hint.name, renamed=True)
        yield finding
