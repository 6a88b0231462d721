"""A place of the Hub as a candidate: confirmed, pinned to a commit, and open to the user."""

from __future__ import annotations

from comfyfix.errors import ModelProblem
from comfyfix.net.urls.hosts import HUGGINGFACE
from comfyfix.net.urls.hub_address import HubFile, HubFolder
from comfyfix.providers.huggingface.answers import Facts, HubItem
from comfyfix.providers.huggingface.hub import Hub
from comfyfix.records import Candidate, Reason, Rejected
from comfyfix.sources.base import Blocked, Finding, Services, rejected
from comfyfix.why import Why


def confirm(file: HubFile, source: str, services: Services, *, evidence: Reason) -> Finding:
    """Ask the Hub whether a file exists, and turn its answer into a candidate pinned to a commit.

    One request for all files of a repository; one more where access to it must be asked for.
    Raises SourceDown.
    """
    where = f"{file.repo}/{file.path}"
    about = services.hub.about(file.repo, file.revision)
    if isinstance(about, Reason):
        return Rejected(source=source, where=where, reason=about)
    item = about.files.get(file.path)
    if item is None:
        return rejected(source, where, Why.HUB_NO_FILE)
    found = candidate(file, source, about.commit, about, item, evidence=(evidence,))
    return opened(found, services.hub)


def candidate(
    place: HubFile | HubFolder,
    source: str,
    commit: str,
    facts: Facts,
    item: HubItem,
    *,
    evidence: tuple[Reason, ...],
) -> Candidate:
    """Return a confirmed file or folder of the Hub, its URL pinned to the commit."""
    if isinstance(place, HubFolder):
        where, address = place.where, place.tree_path(commit)
    else:
        where, address = place.repo, place.resolve_path(commit)
    return Candidate(
        source=source,
        where=where,
        name=place.name,
        url=HUGGINGFACE + address,
        repo=place.repo,
        commit=commit,
        path=place.path,
        size=item.size,
        sha256=item.sha256,
        scan=item.scan,
        gated=facts.gated,
        private=facts.private,
        popularity=facts.downloads,
        publisher=place.publisher,
        licence=facts.licence,
        base_model=facts.base_model,
        date=facts.changed,
        page=f"{HUGGINGFACE}/{place.repo}",
        evidence=evidence,
    )


def opened(found: Candidate, hub: Hub) -> Finding:
    """Look whether the gate of a gated repository is open to the user. Raises SourceDown."""
    obstacle = hub.access(found.repo, found.url) if found.gated else None
    if isinstance(obstacle, ModelProblem):
        return Blocked(found, obstacle)
    if obstacle:
        return Rejected(source=found.source, where=found.where, reason=obstacle)
    return found
