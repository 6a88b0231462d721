"""Drift: what has become of the files that the lock file names, asked of their providers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from comfyfix.errors import HostRefused, SourceDown
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import DirectFile, read_folder, read_url
from comfyfix.net.urls.hub_address import HubFile
from comfyfix.providers.huggingface.answers import About
from comfyfix.records import Hint, Reason, Rejected, because
from comfyfix.settings.lockfile import Entry, LockedFile
from comfyfix.sources import workflow
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services
from comfyfix.sources.trust.judge import FLAGGED
from comfyfix.stages.lock.locked import SOURCE
from comfyfix.why import Why

_COMMIT = re.compile(r"[0-9a-f]{40}")


def of(entry: Entry, services: Services) -> Reason | None:
    """What is not as it was locked; None where all is. Nothing is downloaded."""
    try:
        return _of_files(entry, services) if entry.files else _of_file(entry, services)
    except SourceDown as problem:
        return because(Why.DRIFT_UNASKED, problem=problem.reason)
    except HostRefused as problem:
        return because(Why.DRIFT_GONE, cause=problem.reason)


def _of_file(entry: Entry, services: Services) -> Reason | None:
    hint = Hint(name=entry.path.rpartition("/")[2], url=entry.url, sha256=entry.sha256)
    finding = workflow.confirm_url(hint, SOURCE, services)
    changed = _changed(entry, finding) or _flagged(finding, services)
    return changed or _moved_on(entry, services)


def _of_files(entry: Entry, services: Services) -> Reason | None:
    """The same of a directory or a set, which only the Hub has. Raises HostRefused, SourceDown."""
    folder = read_folder(entry.url, services.manifest.endpoints)
    if folder is None:
        return because(Why.DRIFT_GONE, cause=because(Why.HUB_NO_FILE))
    about = services.hub.about(folder.repo, folder.revision)
    if isinstance(about, Reason):
        return because(Why.DRIFT_GONE, cause=about)
    if about.gated and not entry.gated:
        return because(Why.DRIFT_AGREEMENT)
    if other := _differs(entry, about, services):
        return because(Why.DRIFT_FILE, name=other)
    flagged = any(about.files[path].scan == FLAGGED for _, path in _paths(entry, services) if path)
    if flagged and _minds_scans(services):
        return because(Why.DRIFT_FLAGGED, cause=because(Why.SCAN_FLAGS, scan=FLAGGED))
    newest = _newest(folder.repo, services)
    if not isinstance(newest, About):
        return newest
    newer = _differs(entry, newest, services)
    return because(Why.DRIFT_NEWER, commit=newest.commit) if newer else None


def _newest(repo: str, services: Services) -> About | Reason | None:
    """A repository at its newest commit, or that it has another name; None where no one tells."""
    newest = services.hub.about(repo, "main")
    if isinstance(newest, Reason):
        return None
    moved = newest.id and newest.id.lower() != repo.lower()
    return because(Why.DRIFT_MOVED, repo=newest.id) if moved else newest


def _differs(entry: Entry, about: About, services: Services) -> str:
    """The first file that is not as it was locked; empty if all are. Raises HostRefused."""
    for file, path in _paths(entry, services):
        published = about.files.get(path)
        if published is None or published.size != file.size:
            return file.path
        if published.sha256 and file.sha256 and published.sha256 != file.sha256:
            return file.path
        if published.blob and file.blob and published.blob != file.blob:
            return file.path
    return ""


def _paths(entry: Entry, services: Services) -> Iterator[tuple[LockedFile, str]]:
    """The files of a directory, and where each is in its repository; empty for one that is not.

    Raises HostRefused.
    """
    for file in entry.files:
        target = _target(file.url, services)
        yield file, target.path if isinstance(target, HubFile) else ""


def _target(url: str, services: Services) -> HubFile | CivitaiFile | DirectFile:
    manifest = services.manifest
    return read_url(url, manifest.endpoints, manifest.download.allow_hosts)


def _minds_scans(services: Services) -> bool:
    return services.manifest.verify.pickle != "allow"


def _flagged(finding: Finding, services: Services) -> Reason | None:
    """Whether a provider now flags a file: it is fetched all the same, and looked into."""
    candidate = finding.candidate if isinstance(finding, Blocked | Doubtful) else finding
    if isinstance(candidate, Rejected) or candidate.scan != FLAGGED or not _minds_scans(services):
        return None
    return because(Why.DRIFT_FLAGGED, cause=because(Why.SCAN_FLAGS, scan=FLAGGED))


def _changed(entry: Entry, finding: Finding) -> Reason | None:
    if isinstance(finding, Rejected):
        flagged = finding.reason.why == Why.CIVITAI_SCAN
        why = Why.DRIFT_FLAGGED if flagged else Why.DRIFT_GONE
        return because(why, cause=finding.reason)
    if isinstance(finding, Blocked) and not entry.gated:
        return because(Why.DRIFT_GATED, problem=finding.problem.reason)
    now = finding.candidate if isinstance(finding, Blocked | Doubtful) else finding
    if now.sha256 and now.sha256 != entry.sha256:
        return because(Why.DRIFT_HASH, found=now.sha256, wanted=entry.sha256)
    if now.size and now.size_exact and now.size != entry.size:
        return because(Why.DRIFT_SIZE, found=now.size, wanted=entry.size)
    if now.gated and not entry.gated:
        return because(Why.DRIFT_AGREEMENT)
    return None


def _moved_on(entry: Entry, services: Services) -> Reason | None:
    """Whether the repository has another name, or its newest commit another file in this place."""
    target = _target(entry.url, services)
    if not isinstance(target, HubFile) or not _COMMIT.fullmatch(target.revision):
        return None
    newest = _newest(target.repo, services)
    if not isinstance(newest, About):
        return newest
    newest_file = newest.files.get(target.path)
    if newest_file is None:
        return because(Why.DRIFT_NEWER_WITHOUT, commit=newest.commit)
    if newest_file.sha256 and newest_file.sha256 != entry.sha256:
        return because(Why.DRIFT_NEWER, commit=newest.commit)
    return None
