"""Asking a Hugging Face endpoint about files: do they exist, how large, which hash, how safe.

Shapes: the Hub's model info (`/revision/` with blobs and securityStatus), which tells all of a
repository in one answer, and its `paths-info` for a few files of one.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import SourceDown
from comfyfix.loose_json import dicts, is_size, mapping
from comfyfix.net.hosts import HUGGINGFACE, HubFile
from comfyfix.providers.huggingface import access as hubaccess
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Finding, Services
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Answer

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
ABSENT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""How the Hub answers for what is not there, or is private: it tells no one which."""
_KEPT_BACK = (*ABSENT, HTTPStatus.GONE, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS)


class HubItem(msgspec.Struct, frozen=True, kw_only=True):
    """One file as the Hub describes it: size in bytes; `scan` is the word of its own scanners."""

    size: int | None = None
    sha256: str | None = None
    scan: str = ""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """One repository at one commit: its files, and what its publisher says of it."""

    commit: str
    files: dict[str, HubItem]
    gated: bool = False
    downloads: int = 0
    licence: str = ""
    base_model: str = ""


def confirm(file: HubFile, source: str, services: Services, *, evidence: Reason | str) -> Finding:
    """Ask the Hub whether a file exists, and turn its answer into a candidate pinned to a commit.

    One request for all files of a repository; one more where access to it must be asked for.
    Raises SourceDown.
    """
    told = about(file.repo, file.revision, services)
    where = printable(f"{file.repo}/{file.path}")
    if isinstance(told, Reason):
        return Rejected(source=source, where=where, reason=told)
    item = told.files.get(file.path)
    if item is None:
        return Rejected(source=source, where=where, reason=because(Why.HUB_NO_FILE))
    found = candidate(file, source, told, item, evidence=(evidence,))
    return hubaccess.checked(found, services) if told.gated else found


def about(repo: str, revision: str, services: Services) -> About | Reason:
    """All of a repository, asked once per run; or why it can't be had. Raises SourceDown."""

    def ask() -> About | Reason:
        kind = "" if repo.startswith(("datasets/", "spaces/")) else "models/"
        url = f"{services.manifest.endpoints.huggingface}/api/{kind}{repo}"
        asked = {"blobs": "true", "securityStatus": "true"}
        answer = services.web.get(f"{url}/revision/{quote(revision, safe='')}", asked)
        if answer.status in _KEPT_BACK:
            return _why_not(answer)
        value = answer.json()
        commit = str(value.get("sha")) if isinstance(value, dict) else ""
        if answer.status != HTTPStatus.OK or not _COMMIT.fullmatch(commit):
            raise SourceDown(Why.HUB_NO_ANSWER, repo=repo, status=answer.status)
        return _about(value, commit)

    told: About | Reason = services.once(("hub about", repo, revision), ask)
    return told


def _about(value: dict[str, Any], commit: str) -> About:
    issues = dicts(mapping(value.get("securityRepoStatus")).get("filesWithIssues"))
    scans = {str(issue.get("path")): printable(str(issue.get("level")), 40) for issue in issues}
    files = {}
    for sibling in dicts(value.get("siblings")):
        path = str(sibling.get("rfilename"))
        size, digest = lfs(sibling)
        files[path] = HubItem(size=size, sha256=digest, scan=scans.get(path, ""))
    downloads = value.get("downloads")
    return About(
        commit=commit,
        files=files,
        gated=bool(value.get("gated")),
        downloads=downloads if isinstance(downloads, int) else 0,
        licence=tagged(value.get("tags"), "license:"),
        base_model=tagged(value.get("tags"), "base_model:"),
    )


def details(repo: str, revision: str, paths: list[str], services: Services) -> dict[str, HubItem]:
    """Describe files of one repository: path → item; unknown paths are left out.

    One request. Raises SourceDown.
    """
    url = (
        f"{services.manifest.endpoints.huggingface}/api/models/{repo}"
        f"/paths-info/{quote(revision, safe='')}"
    )
    answer = services.web.post_form(url, [*(("paths", path) for path in paths), ("expand", "True")])
    if answer.status in ABSENT and "x-error-code" in answer.headers:
        return {}
    value = answer.json()
    if answer.status != HTTPStatus.OK or not isinstance(value, list):
        raise SourceDown(Why.HUB_NO_DESCRIPTION, repo=repo, status=answer.status)
    found = {}
    for item in dicts(value):
        size, digest = lfs(item)
        scan = printable(str(mapping(item.get("securityFileStatus")).get("status") or ""), 40)
        found[str(item.get("path"))] = HubItem(size=size, sha256=digest, scan=scan)
    return found


def candidate(
    file: HubFile, source: str, told: About, item: HubItem, *, evidence: tuple[Reason | str, ...]
) -> Candidate:
    """Return a confirmed file of the Hub, its URL pinned to the commit."""
    return Candidate(
        source=source,
        where=file.repo,
        name=file.name,
        url=HUGGINGFACE + file.resolve_path(told.commit),
        repo=file.repo,
        commit=told.commit,
        size=item.size,
        sha256=item.sha256,
        scan=item.scan,
        gated=told.gated,
        popularity=told.downloads,
        publisher=file.repo.removeprefix("datasets/").removeprefix("spaces/").partition("/")[0],
        licence=told.licence,
        base_model=told.base_model,
        evidence=evidence,
    )


def lfs(item: dict[str, Any]) -> tuple[int | None, str | None]:
    """Size and sha256 from the Hub's description of a file (`lfs.oid` or `lfs.sha256`)."""
    pointer = mapping(item.get("lfs"))
    size = pointer.get("size", item.get("size"))
    digest = pointer.get("oid") or pointer.get("sha256")
    return (
        size if is_size(size) else None,
        digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else None,
    )


def tagged(tags: Any, kind: str) -> str:
    """What a repository's tags say of one kind (`license:`, `base_model:`); empty if nothing."""
    listed = tags if isinstance(tags, list) else []
    named = (str(tag).removeprefix(kind) for tag in listed if str(tag).startswith(kind))
    # `base_model:quantized:NAME` tells the relation first.
    return printable(next(named, "").rpartition(":")[2], 80)


def _why_not(answer: Answer) -> Reason:
    if "disabled" in answer.headers.get("x-error-message", ""):
        return because(Why.HUB_OFFLINE)
    known = {"RepoNotFound": Why.HUB_NO_REPOSITORY, "RevisionNotFound": Why.HUB_NO_REVISION}
    why = known.get(answer.headers.get("x-error-code", ""))
    return because(why) if why else because(Why.HUB_ANSWERS, status=answer.status)
