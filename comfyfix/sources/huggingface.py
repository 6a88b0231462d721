"""Hugging Face as a source: repositories by words of the name, then their file lists.

The Hub's `search` matches repository names only, never file names. So the words come from the
file name, most telling first, and each repository's files are compared with the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfyfix.errors import HostRefused, SourceDown
from comfyfix.hosts import HubFile, hub_path, hub_repo
from comfyfix.records import Rejected
from comfyfix.sources import hub
from comfyfix.sources.base import Finding, Services, Wanted
from comfyfix.sources.words import GENERIC, queries

NAME = "huggingface"
TITLE = "on HuggingFace"
DECISIVE = False
REPOSITORIES = 20  # per query; the answer lists every file of each


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield every file of the searched repositories that bears exactly the wanted name."""
    name = wanted.model.name
    if name.rpartition(".")[0].lower() in GENERIC:
        yield Rejected(
            source=NAME,
            where=name,
            reason="the name is too common to search for; give its URL under models:",
        )
        return
    seen: set[str] = set()
    for query in queries(name):
        repositories = _search(query, wanted, services)
        matches = 0
        for repository in repositories:
            repo = str(repository.get("id"))
            if repo in seen:
                continue
            seen.add(repo)
            for finding in _files(repository, repo, wanted, services):
                matches += not isinstance(finding, Rejected)
                yield finding
        if matches:
            return


def _search(query: str, wanted: Wanted, services: Services) -> list[dict[str, Any]]:
    def ask() -> list[dict[str, Any]]:
        answer = services.web.get(
            f"{services.manifest.endpoints.huggingface}/api/models",
            {"search": query, "limit": REPOSITORIES, "full": "true", "sort": "downloads"},
        )
        value = answer.json()
        if answer.status != 200 or not isinstance(value, list):  # noqa: PLR2004 - HTTP
            raise SourceDown(
                "The search of Hugging Face gave no list",
                cause=f"status {answer.status}",
                next_step="run doit again later",
            )
        return [item for item in value if isinstance(item, dict)]

    repositories: list[dict[str, Any]] = services.once(("hub search", query.lower()), ask)
    names = ", ".join(str(item.get("id")) for item in repositories)
    services.log_search(wanted, NAME, query, f"{len(repositories)} repositories: {names}")
    return repositories


def _files(
    repository: dict[str, Any], repo: str, wanted: Wanted, services: Services
) -> Iterator[Finding]:
    siblings = repository.get("siblings")
    paths = [
        str(item.get("rfilename"))
        for item in (siblings if isinstance(siblings, list) else [])
        if isinstance(item, dict)
    ]
    name = wanted.model.name
    exact = [path for path in paths if path.rpartition("/")[2] == name]
    for path in paths:
        if path not in exact and path.rpartition("/")[2].casefold() == name.casefold():
            yield Rejected(
                source=NAME, where=f"{repo}/{path}", reason="the name differs in upper/lower case"
            )
    if not exact:
        return
    revision = str(repository.get("sha") or "main")
    try:
        hub_repo(repo)
        described = hub.details(repo, revision, [hub_path(path) for path in exact], services)
    except HostRefused as refusal:
        yield Rejected(source=NAME, where=repo, reason=refusal.cause)
        return
    downloads = repository.get("downloads")
    for path in exact:
        size, digest = hub.lfs(described.get(path, {}))
        yield hub.candidate(
            HubFile(repo, revision, path),
            NAME,
            commit=revision,
            size=size,
            sha256=digest,
            evidence=f"the repository lists {path}",
            popularity=downloads if isinstance(downloads, int) else 0,
            gated=bool(repository.get("gated")),
        )
