"""The catalogues as a source: they only say where to ask.

A file counts once its provider has confirmed it. Many files of a catalogue share one name, and only
the whole place, folder and subfolder, says which is meant.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from comfyfix import file_names
from comfyfix.records import Candidate, Hint, because
from comfyfix.sources.base import Doubtful, Finding, Services, Wanted, logged, rejected
from comfyfix.sources.workflow import confirm_url
from comfyfix.why import Why

NAME = "catalog"
DECISIVE = False


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield what the catalogues' addresses for this name and place lead to."""
    entries = services.catalogue.addresses(wanted.model.name)
    services.log_search(wanted, NAME, wanted.model.name, {"addresses": len(entries)})
    folders = [f"{folder}/" for folder in services.folders.below_models(wanted.model.folder or "")]
    exact = [entry for entry in entries if entry.place in {f + wanted.model.path for f in folders}]
    meant = exact or [entry for entry in entries if entry.place.startswith(tuple(folders))]
    for entry in entries:
        if entry not in meant:
            folder = entry.place.rpartition("/")[0]
            yield rejected(NAME, entry.hint.url, Why.CATALOGUE_FOLDER, folder=folder)
    hints = list(dict.fromkeys(entry.hint for entry in meant))
    # `model.safetensors` of another subfolder is another model.
    is_common = not wanted.likely and file_names.read(wanted.model.name).generic
    is_unsure = not exact and len(hints) == 1 and is_common
    for hint in hints:
        finding = _confirmed(hint, wanted, services)
        if is_unsure and isinstance(finding, Candidate):
            finding = Doubtful(finding, because(Why.NAME_SAYS_NOTHING))
        yield finding


def _confirmed(hint: Hint, wanted: Wanted, services: Services) -> Finding:
    finding = confirm_url(hint, NAME, services)
    services.log_search(wanted, NAME, hint.url, logged(finding))
    # The catalogue says that this address is meant for that name.
    if isinstance(finding, Candidate) and finding.name != hint.name:
        finding = msgspec.structs.replace(finding, name=hint.name, renamed=True)
    return finding
