"""The catalogues as a source: they only say where to ask.

A file counts once its provider has confirmed it. Many files of a catalogue share one name, and only
the whole place, folder and subfolder, says which is meant.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from comfyfix import file_names
from comfyfix.records import Candidate, Hint, Rejected, because
from comfyfix.sources.base import Doubtful, Finding, Services, Wanted
from comfyfix.sources.workflow import confirm_url, told
from comfyfix.why import Why

NAME = "catalog"
DECISIVE = False


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield what the catalogues' addresses for this name and place lead to."""
    known = services.catalogue.addresses(wanted.model.name)
    services.log_search(wanted, NAME, wanted.model.name, {"addresses": len(known)})
    folders = services.folders.below_models(wanted.model.folder or "")
    exact = [one for one in known if one.place in {f"{f}/{wanted.model.path}" for f in folders}]
    meant = exact or [one for one in known if one.place.startswith(tuple(f"{f}/" for f in folders))]
    for one in known:
        if one not in meant:
            reason = because(Why.CATALOGUE_FOLDER, folder=one.place.rpartition("/")[0])
            yield Rejected(source=NAME, where=one.hint.url, reason=reason)
    for hint in (hints := list(dict.fromkeys(one.hint for one in meant))):
        finding = _confirmed(hint, wanted, services)
        # `model.safetensors` of another subfolder is another model.
        lone = not exact and len(hints) == 1 and _is_common(wanted)
        if lone and isinstance(finding, Candidate):
            finding = Doubtful(finding, because(Why.NAME_SAYS_NOTHING))
        yield finding


def _confirmed(hint: Hint, wanted: Wanted, services: Services) -> Finding:
    finding = confirm_url(hint, NAME, services)
    services.log_search(wanted, NAME, hint.url, told(finding))
    # The catalogue says that this address is meant for that name.
    if isinstance(finding, Candidate) and finding.name != hint.name:
        finding = msgspec.structs.replace(finding, name=hint.name, renamed=True)
    return finding


def _is_common(wanted: Wanted) -> bool:
    return not wanted.likely and file_names.read(wanted.model.name).generic
