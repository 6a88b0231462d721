"""Judge: does what a source has found count as the wanted file?

A candidate counts when its provider has confirmed existence, size and sha256 and its name is
exactly the wanted one. The workflow's own URL may bear another name, and may lack a hash; the
file is `unverified` then.
"""

from __future__ import annotations

import msgspec

from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services, Source, Wanted
from comfyfix.why import Why

FLAGGED = "unsafe"
"""The level of the Hub's scanners that refuses a file, unless `verify.pickle` is `allow`. Of its
seven, `caution` and `suspicious` are told, and so is any that is not known here."""
UNSCANNED = ("queued", "unscanned", "error")
"""These are no verdict."""


def judge(finding: Finding, wanted: Wanted, source: Source, services: Services) -> Finding:
    """Return the finding if it counts, marked where it is renamed or flagged, else why not."""
    if isinstance(finding, Blocked):
        # What would not count if it could be had is no reason to ask for a token.
        reason = _mismatch(finding.candidate, wanted, source)
        where = finding.candidate.where
        return Rejected(source=source.NAME, where=where, reason=reason) if reason else finding
    if not isinstance(finding, Candidate):
        return finding
    reason = _mismatch(finding, wanted, source)
    if finding.scan == FLAGGED and services.manifest.verify.pickle != "allow":
        reason = because(Why.SCAN_FLAGS, scan=finding.scan)
    elif not finding.size:
        reason = because(Why.NO_SIZE)
    elif finding.content is None and not source.DECISIVE:
        reason = because(Why.NO_SHA256)
    if reason:
        return Rejected(source=finding.source, where=finding.where, reason=reason)
    if finding.scan not in ("", "safe", *UNSCANNED):
        note = because(Why.SCAN_SAYS, scan=finding.scan)
        finding = msgspec.structs.replace(finding, note=note)
    renamed = finding.renamed or finding.name != wanted.model.name
    return msgspec.structs.replace(finding, renamed=renamed)


def _mismatch(found: Candidate, wanted: Wanted, source: Source) -> Reason | None:
    """Why a candidate is not the wanted file, by its hash and its name; None if it may be."""
    if wanted.sha256 and found.sha256 and found.sha256 != wanted.sha256:
        return because(Why.HASH_NOT_WANTED)
    binding = wanted.strict or not source.DECISIVE
    if wanted.likely and found.sha256 and binding and found.sha256 not in wanted.likely:
        # A publisher may replace a file at the author's own address; a namesake elsewhere is
        # another file.
        return because(Why.HASH_NOT_TOLD)
    # Of a directory the source itself tells which of its places is called so.
    named = found.name == wanted.model.name or wanted.is_directory
    if not named and not source.DECISIVE and not wanted.likely:
        return because(Why.NAME_OTHER, name=found.name)
    return None
