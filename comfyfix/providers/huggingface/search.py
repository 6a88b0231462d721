"""The Hub's ways to look for repositories, each question asked once per run.

Its `search` and `author` lists come with the names of all files; its quick search and its
full-text search tell repository names only. Those two are extras: where they don't answer,
the search goes on without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import HostRefused, SourceDown
from comfyfix.file_names import loose
from comfyfix.loose_json import dicts, mapping
from comfyfix.net.hosts import hub_repo
from comfyfix.providers.huggingface.hub import ABSENT, tagged
from comfyfix.sources.base import Services
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Answer

SOURCE = "huggingface"
PAGES_MAX = 3
REPOSITORIES = 200  # per question; the answer lists every file of each
OF_PUBLISHER = 300
MOST = 1000  # what the Hub gives at once
HITS = 16


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One repository as the Hub lists it.

    `files` maps a file name made loose to the paths that bear it; `created` is an ISO date,
    empty where unknown; `downloads` are those of the last month.
    """

    repo: str
    revision: str
    files: dict[str, tuple[str, ...]]
    downloads: int = 0
    created: str = ""
    gated: bool = False
    licence: str = ""
    base_model: str = ""

    @property
    def owner(self) -> str:
        """Who has published it."""
        return self.repo.partition("/")[0]

    def bearing(self, name: str) -> list[str]:
        """The paths whose last part is exactly this name."""
        paths = self.files.get(loose(name), ())
        return [path for path in paths if path.rpartition("/")[2] == name]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question; `whole` is false when there are more repositories than told."""

    listings: tuple[Listing, ...]
    whole: bool = True


def search(words: str, services: Services, limit: int = REPOSITORIES) -> Answered:
    """Repositories whose names hold all words, the most used first. Raises SourceDown."""
    return _list({"search": words}, limit, services)


def of_publisher(author: str, services: Services) -> Answered:
    """Repositories of one publisher, the most used first. Raises SourceDown."""
    return _list({"author": author}, OF_PUBLISHER, services)


def _list(asked: dict[str, str], limit: int, services: Services) -> Answered:
    def ask() -> Answered:
        value = _pages({**asked, "limit": limit, "full": "true", "sort": "downloads"}, services)
        listings = [listing for item in dicts(value) if (listing := _listing(item))]
        return Answered(listings=tuple(listings), whole=len(value) < limit)

    key = ("hub list", *(f"{how} {what.casefold()}" for how, what in asked.items()))
    answered: Answered = services.once(key, ask)
    return answered


def _pages(parameters: dict[str, Any], services: Services) -> list[Any]:
    """The first page that lists anything: an empty one with a cursor is not the end."""
    for _ in range(PAGES_MAX):
        answer = _ask("/api/models", parameters, services)
        value = answer.json()
        if not isinstance(value, list):
            raise SourceDown(Why.HUB_NO_LIST, status=answer.status)
        following = re.search(r"<([^>]*)>\s*;\s*rel=\"?next", answer.headers.get("link", ""))
        cursor = parse_qs(urlsplit(following.group(1)).query).get("cursor") if following else None
        if value or not cursor:
            return value
        # Of the next page's address only the cursor is used, never its host.
        parameters = {**parameters, "cursor": cursor[0]}
    return []


def quick(text: str, services: Services) -> list[str]:
    """Repositories that the Hub's quick search offers; none where it doesn't answer."""
    parameters = {"q": text, "type": "model", "limit": HITS}
    value = _extra("/api/quicksearch", parameters, services)
    models = mapping(value).get("models")
    return _names(item.get("id") for item in dicts(models))


def full_text(text: str, services: Services) -> list[str] | None:
    """Repositories whose files or model cards hold the text; None where the Hub doesn't answer."""
    parameters = {"q": text, "type": "model", "limit": HITS}
    value = _extra("/api/search/full-text", parameters, services)
    hits = mapping(value).get("hits")
    if not isinstance(hits, list):
        return None
    pairs = ((hit.get("repoOwner"), hit.get("repoName"), hit.get("repoId")) for hit in dicts(hits))
    return _names(f"{owner}/{name}" if owner and name else whole for owner, name, whole in pairs)


def repository(repo: str, services: Services) -> Listing | None:
    """One repository with its files; None if it is not there. Raises SourceDown."""

    def ask() -> Listing | None:
        value = _get(f"/api/models/{repo}", {}, services, missing=ABSENT)
        return _listing(value) if isinstance(value, dict) else None

    listing: Listing | None = services.once(("hub repository", repo), ask)
    return listing


def _get(
    path: str, parameters: dict[str, Any], services: Services, *, missing: tuple[int, ...] = ()
) -> Any:
    answer = _ask(path, parameters, services, missing=missing)
    return None if answer.status in missing else answer.json()


def _ask(
    path: str, parameters: dict[str, Any], services: Services, *, missing: tuple[int, ...] = ()
) -> Answer:
    answer = services.web.get(services.manifest.endpoints.huggingface + path, parameters)
    if answer.status != HTTPStatus.OK and answer.status not in missing:
        raise SourceDown(Why.HUB_NO_LIST, status=answer.status)
    return answer


def _extra(path: str, parameters: dict[str, Any], services: Services) -> Any:
    """Ask one of the extras; the first time that it is absent it is given up for the run."""

    def ask() -> Any:
        if services.once(("hub without", path), list):
            return None
        try:
            return _get(path, parameters, services)
        except SourceDown:
            services.once(("hub without", path), list).append(path)
            return None

    return services.once(("hub extra", path, str(parameters["q"]).casefold()), ask)


def _names(found: Iterable[Any]) -> list[str]:
    names: list[str] = []
    for name in found:
        try:
            names.append(hub_repo(str(name)))
        except HostRefused:
            continue  # what is no repository name can't be asked for
    return list(dict.fromkeys(names))


def _listing(item: dict[str, Any]) -> Listing | None:
    try:
        repo = hub_repo(str(item.get("id")))
    except HostRefused:
        return None
    files: dict[str, tuple[str, ...]] = {}
    for sibling in dicts(item.get("siblings")):
        path = str(sibling.get("rfilename"))
        key = loose(path.rpartition("/")[2])
        files[key] = (*files.get(key, ()), path)
    downloads = item.get("downloads")
    return Listing(
        repo=repo,
        revision=str(item.get("sha") or "main"),
        files=files,
        downloads=downloads if isinstance(downloads, int) else 0,
        created=printable(str(item.get("createdAt") or ""), 40),
        gated=bool(item.get("gated")),
        licence=tagged(item.get("tags"), "license:"),
        base_model=tagged(item.get("tags"), "base_model:"),
    )
