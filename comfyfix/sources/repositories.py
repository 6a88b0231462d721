"""Directories on the Hub: a repository that is called so, or a folder of one.

Which is meant is told by the contents: the same ones in several places count as one, several are
for the user to choose from, and one alone counts when the rules of `trust` say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from comfyfix.errors import HostRefused
from comfyfix.file_names import Words, loose, queries, read
from comfyfix.net.urls.hub_address import HubFolder, hub_repo
from comfyfix.providers.huggingface.answers import HubItem, Listing
from comfyfix.records import Candidate, because
from comfyfix.sources import directories
from comfyfix.sources.base import Blocked, Finding, Services, Wanted, rejected
from comfyfix.sources.trust import rules as trust
from comfyfix.sources.trust.rules import Holder
from comfyfix.why import Why

SOURCE = "huggingface"
PLACES_MAX = 12
SHOWN = 6
_OF_CACHE = re.compile(r"(?:models--)?(?P<owner>[^-].*?)(?:--|_-_)(?P<name>.+)")


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield one candidate per content of that name, and what almost bears it. See Doubtful."""
    by_id = _by_id(wanted, services)
    if by_id is not None:
        yield _confirmed(HubFolder(by_id.repo, by_id.revision), wanted, services)
        return
    listings = _listings(wanted, services)
    for listing in listings[:SHOWN]:
        if not _folders(listing, wanted.model.name):
            yield rejected(SOURCE, listing.repo, Why.NAME_AKIN)
    exact = [(listing, f) for listing in listings for f in _folders(listing, wanted.model.name)]
    exact.sort(key=lambda pair: (pair[0].gated, -pair[0].downloads, pair[1].where))
    contents: dict[object, list[tuple[Holder, Candidate | Blocked]]] = {}
    for listing, folder in exact[:PLACES_MAX]:
        finding = _confirmed(folder, wanted, services)
        if isinstance(finding, Candidate | Blocked) and (content := _held(finding).content):
            holder = Holder(listing, f"{folder.path}/", HubItem())
            contents.setdefault(content, []).append((holder, finding))
        else:
            yield finding
    words = read(wanted.model.name)
    for places in contents.values():
        yield _weighed(places, words, wanted, lone=len(contents) == 1)


def _confirmed(folder: HubFolder, wanted: Wanted, services: Services) -> Finding:
    evidence = because(Why.LISTED_THERE, path=folder.where)
    return directories.confirm(folder, SOURCE, wanted, services, evidence)


def _held(finding: Candidate | Blocked) -> Candidate:
    return finding.candidate if isinstance(finding, Blocked) else finding


def _weighed(
    places: list[tuple[Holder, Candidate | Blocked]], words: Words, wanted: Wanted, *, lone: bool
) -> Finding:
    """The best place of a content, with what speaks for it; in doubt if that is too little."""
    holders = [holder for holder, _ in places]
    first = trust.by_origin(holders)[0]
    best = next(finding for holder, finding in places if holder is first)
    points, rules = trust.weigh(words, holders, wanted.model.folder, alone=False)
    if lone and points < trust.ENOUGH:
        return trust.doubt(_held(best), holders, rules)
    if isinstance(best, Blocked):
        return best
    evidence = [*best.evidence, *rules]
    if others := sorted({holder.listing.repo for holder in holders} - {best.repo}):
        evidence.append(because(Why.SAME_CONTENT_IN, places=others[:SHOWN]))
    return msgspec.structs.replace(best, evidence=tuple(evidence))


def _by_id(wanted: Wanted, services: Services) -> Listing | None:
    """The repository whose id the name is: `owner/name`, or as caches write it."""
    path = wanted.model.path
    match = _OF_CACHE.fullmatch(wanted.model.name)
    ids = [path] if path.count("/") == 1 else []
    ids += [f"{match['owner']}/{match['name']}"] if match else []
    for repo in ids:
        try:
            listing = services.hub.repository(hub_repo(repo))
        except HostRefused:
            continue
        services.log_search(wanted, SOURCE, repo, {"found": bool(listing)})
        if listing is not None:
            return listing
    return None


def _listings(wanted: Wanted, services: Services) -> list[Listing]:
    """The repositories that may hold it: by its name, by words of it, by full text."""
    name = wanted.model.name
    akin: dict[str, Listing] = {}
    for query in dict.fromkeys((name, *queries(name))):
        listings = services.hub.search(query).listings
        services.log_search(wanted, SOURCE, query, [listing.repo for listing in listings])
        for listing in listings:
            if _bears(listing, name):
                akin.setdefault(listing.repo, listing)
        if any(_folders(listing, name) for listing in akin.values()):
            return list(akin.values())
    for repo in (services.hub.full_text(name) or [])[:SHOWN]:
        found = services.hub.repository(repo)
        if found and _folders(found, name):
            akin.setdefault(found.repo, found)
    return list(akin.values())


def _bears(listing: Listing, name: str) -> bool:
    is_akin = loose(listing.repo.rpartition("/")[2]) == loose(name)
    return is_akin or bool(_folders(listing, name))


def _folders(listing: Listing, name: str) -> list[HubFolder]:
    """The repository, or its folders, that bear exactly this name."""
    paths = [path for paths in listing.files.values() for path in paths]
    inside = {
        "/".join(parts[: parts.index(name) + 1])
        for parts in (path.split("/")[:-1] for path in paths)
        if name in parts
    }
    if not inside and listing.repo.rpartition("/")[2].casefold() == name.casefold():
        inside = {""}  # all of it
    return [HubFolder(listing.repo, listing.revision, path) for path in sorted(inside)]
