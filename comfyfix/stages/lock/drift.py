"""Drift: what has become of the files that the lock file names, asked of their providers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from comfyfix.errors import HostRefused, SourceDown
from comfyfix.net.hosts import read_folder, read_url
from comfyfix.net.hub_address import HubFile
from comfyfix.providers.huggingface.answers import About
from comfyfix.records import Hint, Reason, Rejected, because
from comfyfix.settings.lockfile import Entry
from comfyfix.sources import workflow
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services
from comfyfix.sources.trust.judge import FLAGGED
from comfyfix.stages.lock.locked import SOURCE
from comfyfix.why import Why

_COMMIT = re.compile(r"[0-9a-f]{40}")


def of(entry: Entry, services: Services) -> Reason | None:
    """What is not as it was locked; None where all is. Nothing is downloaded."""
    if entry.files:
        return _of_files(entry, services)
    hint = Hint(name=entry.path.rpartition("/")[2], url=entry.url, sha256=entry.sha256)
    try:
        finding = workflow.confirm_url(hint, SOURCE, services)
        told = _changed(entry, finding) or _flagged(finding, services)
        return told or _moved_on(entry, services)
    except SourceDown as problem:
        return because(Why.DRIFT_UNASKED, problem=problem.reason)


def _of_files(entry: Entry, services: Services) -> Reason | None:
    """The same of a directory or a set, which only the Hub has."""
    try:
        folder = read_folder(entry.url, services.manifest.endpoints)
        if folder is None:
            return because(Why.DRIFT_GONE, cause=because(Why.HUB_NO_FILE))
        told = services.hub.about(folder.repo, folder.revision)
        if isinstance(told, Reason):
            return because(Why.DRIFT_GONE, cause=told)
        if told.gated and not entry.gated:
            return because(Why.DRIFT_AGREEMENT)
        if other := _differs(entry, told, services):
            return because(Why.DRIFT_FILE, name=other)
        scans = [told.files[path].scan for path in _paths(entry, services)]
        if FLAGGED in scans and _minds_scans(services):
            return because(Why.DRIFT_FLAGGED, cause=because(Why.SCAN_FLAGS, scan=FLAGGED))
        newest = _newest(folder.repo, services)
        if not isinstance(newest, About):
            return newest
        newer = _differs(entry, newest, services)
        return because(Why.DRIFT_NEWER, commit=newest.commit) if newer else None
    except SourceDown as problem:
        return because(Why.DRIFT_UNASKED, problem=problem.reason)
    except HostRefused as problem:
        return because(Why.DRIFT_GONE, cause=problem.reason)


def _newest(repo: str, services: Services) -> About | Reason | None:
    """A repository at its newest commit, or that it has another name; None where no one tells."""
    newest = services.hub.about(repo, "main")
    if isinstance(newest, Reason):
        return None
    moved = newest.id and newest.id.lower() != repo.lower()
    return because(Why.DRIFT_MOVED, repo=newest.id) if moved else newest


def _differs(entry: Entry, told: About, services: Services) -> str:
    """The first file that is not as it was locked; empty if all are. Raises HostRefused."""
    manifest = services.manifest
    for file in entry.files:
        target = read_url(file.url, manifest.endpoints, manifest.download.allow_hosts)
        item = told.files.get(target.path) if isinstance(target, HubFile) else None
        if item is None or item.size != file.size:
            return file.path
        if item.sha256 and file.sha256 and item.sha256 != file.sha256:
            return file.path
        if item.blob and file.blob and item.blob != file.blob:
            return file.path
    return ""


def _paths(entry: Entry, services: Services) -> Iterator[str]:
    """Where the files of a directory are in its repository. Raises HostRefused."""
    manifest = services.manifest
    for file in entry.files:
        target = read_url(file.url, manifest.endpoints, manifest.download.allow_hosts)
        if isinstance(target, HubFile):
            yield target.path


def _minds_scans(services: Services) -> bool:
    return services.manifest.verify.pickle != "allow"


def _flagged(finding: Finding, services: Services) -> Reason | None:
    """Whether a provider now flags a file: it is fetched all the same, and looked into."""
    found = finding.candidate if isinstance(finding, Blocked | Doubtful) else finding
    if isinstance(found, Rejected) or found.scan != FLAGGED or not _minds_scans(services):
        return None
    return because(Why.DRIFT_FLAGGED, cause=because(Why.SCAN_FLAGS, scan=FLAGGED))


def _changed(entry: Entry, finding: Finding) -> Reason | None:
    if isinstance(finding, Rejected):
        flagged = finding.reason.why == Why.CIVITAI_SCAN
        why = Why.DRIFT_FLAGGED if flagged else Why.DRIFT_GONE
        return because(why, cause=finding.reason)
    if isinstance(finding, Blocked) and not entry.gated:
        return because(Why.DRIFT_GATED, problem=finding.problem.reason)
    found = finding.candidate if isinstance(finding, Blocked | Doubtful) else finding
    if found.sha256 and found.sha256 != entry.sha256:
        return because(Why.DRIFT_HASH, found=found.sha256, wanted=entry.sha256)
    if found.size and found.size_exact and found.size != entry.size:
        return because(Why.DRIFT_SIZE, found=found.size, wanted=entry.size)
    if found.gated and not entry.gated:
        return because(Why.DRIFT_AGREEMENT)
    return None


def _moved_on(entry: Entry, services: Services) -> Reason | None:
    """Whether the repository has another name, or its newest commit another file in this place."""
    manifest = services.manifest
    try:
        target = read_url(entry.url, manifest.endpoints, manifest.download.allow_hosts)
    except HostRefused:
        return None  # it was told already
    if not isinstance(target, HubFile) or not _COMMIT.fullmatch(target.revision):
        return None
    newest = _newest(target.repo, services)
    if not isinstance(newest, About):
        return newest
    item = newest.files.get(target.path)
    if item is None:
        return because(Why.DRIFT_NEWER_WITHOUT, commit=newest.commit)
    if item.sha256 and item.sha256 != entry.sha256:
        return because(Why.DRIFT_NEWER, commit=newest.commit)
    return None
