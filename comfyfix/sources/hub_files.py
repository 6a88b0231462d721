"""A file of the Hub as a candidate: confirmed, pinned to a commit, and open to the user."""

from __future__ import annotations

from comfyfix.errors import ModelProblem
from comfyfix.net.hosts import HUGGINGFACE
from comfyfix.net.hub_address import HubFile
from comfyfix.providers.huggingface.answers import Facts, HubItem
from comfyfix.providers.huggingface.hub import Hub
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services
from comfyfix.why import Why


def confirm(file: HubFile, source: str, services: Services, *, evidence: Reason) -> Finding:
    """Ask the Hub whether a file exists, and turn its answer into a candidate pinned to a commit.

    One request for all files of a repository; one more where access to it must be asked for.
    Raises SourceDown.
    """
    where = f"{file.repo}/{file.path}"
    told = services.hub.about(file.repo, file.revision)
    if isinstance(told, Reason):
        return Rejected(source=source, where=where, reason=told)
    item = told.files.get(file.path)
    if item is None:
        return Rejected(source=source, where=where, reason=because(Why.HUB_NO_FILE))
    found = candidate(file, source, told.commit, told, item, evidence=(evidence,))
    return opened(found, services.hub)


def candidate(
    file: HubFile,
    source: str,
    commit: str,
    facts: Facts,
    item: HubItem,
    *,
    evidence: tuple[Reason, ...],
) -> Candidate:
    """Return a confirmed file of the Hub, its URL pinned to the commit."""
    return Candidate(
        source=source,
        where=file.repo,
        name=file.name,
        url=HUGGINGFACE + file.resolve_path(commit),
        repo=file.repo,
        commit=commit,
        path=file.path,
        size=item.size,
        sha256=item.sha256,
        scan=item.scan,
        gated=facts.gated,
        private=facts.private,
        popularity=facts.downloads,
        publisher=file.publisher,
        licence=facts.licence,
        base_model=facts.base_model,
        date=facts.changed,
        page=f"{HUGGINGFACE}/{file.repo}",
        evidence=evidence,
    )


def opened(found: Candidate, hub: Hub) -> Finding:
    """Look whether the gate of a gated repository is open to the user. Raises SourceDown."""
    url = found.files[0].url if found.files else found.url
    closed = hub.access(found.repo, url) if found.gated else None
    if isinstance(closed, ModelProblem):
        return Blocked(found, closed)
    if closed:
        return Rejected(source=found.source, where=found.where, reason=closed)
    return found
