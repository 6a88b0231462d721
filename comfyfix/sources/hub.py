"""Asking a Hugging Face endpoint about one file: does it exist, how large, which hash.

Shapes and headers: the Hub's `resolve` (HEAD) and `paths-info` (POST) calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from comfyfix.errors import RETRY, LicenceNeeded, ModelProblem, SourceDown, TokenNeeded
from comfyfix.files import printable
from comfyfix.hosts import HUGGINGFACE, HubFile
from comfyfix.records import Candidate, Rejected
from comfyfix.sources.base import Blocked, Finding, Services

if TYPE_CHECKING:
    from comfyfix.http import Answer

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def confirm(file: HubFile, source: str, services: Services, *, evidence: str) -> Finding:
    """Ask the Hub whether a file exists, and turn its answer into a candidate pinned to a commit.

    One request. Raises SourceDown.
    """
    where = printable(f"{file.repo}/{file.path}")
    answer = services.web.head(services.manifest.endpoints.huggingface + file.resolve_path())
    commit = answer.headers.get("x-repo-commit", "")
    if answer.status in (200, 301, 302, 303, 307, 308) and _COMMIT.fullmatch(commit):
        size = answer.headers.get("x-linked-size") or answer.headers.get("content-length", "")
        known = size.isascii() and size.isdigit()
        etag = answer.headers.get("x-linked-etag", "").strip('W/"')
        return candidate(
            file,
            source,
            commit=commit,
            size=int(size) if known else None,
            sha256=etag if _SHA256.fullmatch(etag) else None,
            evidence=evidence,
        )
    if answer.headers.get("x-error-code") == "GatedRepo":
        return _gated(file, source, services, answer, evidence)
    if answer.status in (401, 403, 404, 410, 451):
        return Rejected(source=source, where=where, reason=_why_not(answer))
    raise SourceDown(
        f"Hugging Face gave no usable answer for {where}",
        cause=f"status {answer.status}",
        next_step=RETRY,
    )


def details(
    repo: str, revision: str, paths: list[str], services: Services
) -> dict[str, dict[str, Any]]:
    """Size and hash of files of one repository: path → the Hub's own description."""
    kind = "" if repo.startswith(("datasets/", "spaces/")) else "models/"
    url = (
        f"{services.manifest.endpoints.huggingface}/api/{kind}{repo}"
        f"/paths-info/{quote(revision, safe='')}"
    )
    answer = services.web.post_form(url, [*(("paths", path) for path in paths), ("expand", "True")])
    if answer.status in (401, 403, 404) and "x-error-code" in answer.headers:
        return {}
    value = answer.json()
    if answer.status != 200 or not isinstance(value, list):  # noqa: PLR2004 - HTTP
        raise SourceDown(
            f"Hugging Face did not describe the files of {repo}",
            cause=f"status {answer.status}",
            next_step=RETRY,
        )
    return {str(item.get("path")): item for item in value if isinstance(item, dict)}


def licence(repo: str, services: Services) -> str:
    """The licence that a repository names, or an empty string. Raises SourceDown."""

    def ask() -> str:
        if repo.startswith(("datasets/", "spaces/")):
            return ""
        answer = services.web.get(f"{services.manifest.endpoints.huggingface}/api/models/{repo}")
        value = answer.json() if answer.status == 200 else {}  # noqa: PLR2004 - HTTP
        tags = value.get("tags") if isinstance(value, dict) else None
        listed = tags if isinstance(tags, list) else []
        named = (str(tag) for tag in listed if str(tag).startswith("license:"))
        return printable(next(named, "").removeprefix("license:"), 40)

    told: str = services.once(("licence", repo), ask)
    return told


def candidate(
    file: HubFile,
    source: str,
    *,
    commit: str,
    size: int | None,
    sha256: str | None,
    evidence: str,
    popularity: int = 0,
    gated: bool = False,
) -> Candidate:
    """Return a confirmed file of the Hub, its URL pinned to the commit."""
    return Candidate(
        source=source,
        where=file.repo,
        name=file.name,
        url=HUGGINGFACE + file.resolve_path(commit),
        repo=file.repo,
        commit=commit,
        size=size,
        sha256=sha256,
        gated=gated,
        popularity=popularity,
        evidence=(evidence,),
    )


def lfs(item: dict[str, Any]) -> tuple[int | None, str | None]:
    """Size and sha256 from the Hub's description of a file (`lfs.oid` or `lfs.sha256`)."""
    entry = item.get("lfs")
    pointer = entry if isinstance(entry, dict) else {}
    size = pointer.get("size", item.get("size"))
    digest = pointer.get("oid") or pointer.get("sha256")
    return (
        size if isinstance(size, int) else None,
        digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else None,
    )


def _gated(
    file: HubFile, source: str, services: Services, answer: Answer, evidence: str
) -> Finding:
    item = details(file.repo, file.revision, [file.path], services).get(file.path, {})
    size, digest = lfs(item)
    found = candidate(
        file, source, commit=file.revision, size=size, sha256=digest, evidence=evidence, gated=True
    )
    return Blocked(found, blocked(file.repo, services, answer.status))


def blocked(repo: str, services: Services, status: int) -> ModelProblem:
    """What the user must do for a gated repository."""
    page = f"{services.manifest.endpoints.huggingface}/{repo}"
    if not services.tokens.get("huggingface"):
        return TokenNeeded(
            f"{repo} on Hugging Face needs a token",
            cause="its licence must be accepted by a signed-in user",
            next_step=f"accept the licence on {page}, then set HF_TOKEN",
        )
    if status == 401:  # noqa: PLR2004 - HTTP
        return TokenNeeded(
            f"{repo} on Hugging Face refuses the token",
            cause="HF_TOKEN is wrong or has expired",
            next_step="set a valid HF_TOKEN",
        )
    return LicenceNeeded(
        f"The licence of {repo} is not accepted yet",
        cause="the Hub does not give its files to your account",
        next_step=f"accept it on {page}, then run doit again",
    )


def _why_not(answer: Answer) -> str:
    code = answer.headers.get("x-error-code", "")
    return {
        "RepoNotFound": "no such repository, or it is private",
        "EntryNotFound": "no such file in the repository",
        "RevisionNotFound": "no such revision in the repository",
    }.get(code, f"the Hub answers {answer.status}")
