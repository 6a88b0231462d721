"""Directories on the Hub: a repository that is called so, or a folder of one.

Which is meant is told by the contents: the same ones in several places count as one, several are
for the user to choose from, and one alone counts when the rules of `trust` say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from comfyfix.errors import HostRefused
from comfyfix.file_names import QUERIES_MAX, Words, loose, queries, read
from comfyfix.net.hub_address import HubFolder, hub_repo
from comfyfix.providers.huggingface.answers import HubItem, Listing
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources import directories
from comfyfix.sources.base import Blocked, Doubtful, Finding, Services, Wanted
from comfyfix.sources.trust import rules as trust
from comfyfix.sources.trust.rules import Holder
from comfyfix.why import Why

SOURCE = "huggingface"
PLACES_MAX = 12
SHOWN = 6
_OF_CACHE = re.compile(r"(?:models--)?(?P<owner>[^-].*?)(?:--|_-_)(?P<name>.+)")


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield one candidate per content of that name, and what almost bears it. See Doubtful."""
    named = _by_id(wanted, services)
    if named is not None:
        folder = HubFolder(named.repo, named.revision)
        evidence = [because(Why.LISTED_THERE, path=named.repo)]
        yield directories.confirm(folder, SOURCE, wanted, services, evidence)
        return
    places = list(_places(wanted, services))
    for listing in places[:SHOWN]:
        if not _folders(listing, wanted.model.name):
            yield Rejected(source=SOURCE, where=listing.repo, reason=because(Why.NAME_AKIN))
    found: dict[object, list[tuple[Holder, Finding]]] = {}
    exact = [(listing, f) for listing in places for f in _folders(listing, wanted.model.name)]
    exact.sort(key=lambda pair: (pair[0].gated, -pair[0].downloads, pair[1].where))
    for listing, folder in exact[:PLACES_MAX]:
        evidence = [because(Why.LISTED_THERE, path=folder.where)]
        finding = directories.confirm(folder, SOURCE, wanted, services, evidence)
        content = _content(finding)
        if content is None:
            yield finding
        else:
            holder = Holder(listing, f"{folder.path}/", HubItem())
            found.setdefault(content, []).append((holder, finding))
    yield from _weighed(found, read(wanted.model.name), wanted)


def _weighed(
    found: dict[object, list[tuple[Holder, Finding]]], words: Words, wanted: Wanted
) -> Iterator[Finding]:
    for held in found.values():
        holders = [holder for holder, _ in held]
        first = trust.by_origin(holders)[0]
        best = next(finding for holder, finding in held if holder is first)
        points, rules = trust.weigh(words, holders, wanted.model.folder, alone=False)
        candidate = best.candidate if isinstance(best, Blocked) else best
        if len(found) > 1 or points >= trust.ENOUGH or not isinstance(candidate, Candidate):
            yield _told(best, rules, holders)
        elif all(trust.stands_for(holder.listing.owner) for holder in holders):
            reason = because(Why.IMITATES, publisher=trust.stands_for(candidate.publisher))
            yield Rejected(source=SOURCE, where=candidate.where, reason=reason)
        else:
            told = because(Why.NAME_SAYS_LITTLE, rules=rules) if rules else None
            yield Doubtful(candidate, told or because(Why.NAME_SAYS_NOTHING))


def _told(finding: Finding, rules: list[Reason], holders: list[Holder]) -> Finding:
    """Add to a place what speaks for it."""
    if not isinstance(finding, Candidate):
        return finding
    evidence = [*finding.evidence, *rules]
    if others := sorted({holder.listing.repo for holder in holders} - {finding.repo}):
        evidence.append(because(Why.SAME_CONTENT_IN, places=others[:SHOWN]))
    return msgspec.structs.replace(finding, evidence=tuple(evidence))


def _content(finding: Finding) -> object:
    """What a place holds; None for one that does not count."""
    if isinstance(finding, Blocked):
        return finding.candidate.content
    return finding.content if isinstance(finding, Candidate) else None


def _by_id(wanted: Wanted, services: Services) -> Listing | None:
    """The repository whose id the name is: `owner/name`, or as caches write it."""
    path = wanted.model.path
    match = _OF_CACHE.fullmatch(wanted.model.name)
    ids = [path] if path.count("/") == 1 else []
    ids += [f"{match['owner']}/{match['name']}"] if match else []
    for one in ids:
        try:
            listing = services.hub.repository(hub_repo(one))
        except HostRefused:
            continue
        services.log_search(wanted, SOURCE, one, {"found": bool(listing)})
        if listing is not None:
            return listing
    return None


def _places(wanted: Wanted, services: Services) -> Iterator[Listing]:
    """The repositories that may hold it: by its name, by words of it, by full text."""
    name = wanted.model.name
    seen: dict[str, Listing] = {}
    asked = [name, *queries(name)]
    for query in list(dict.fromkeys(asked))[: QUERIES_MAX + 1]:
        told = services.hub.search(query)
        services.log_search(wanted, SOURCE, query, [item.repo for item in told.listings])
        for listing in told.listings:
            if _bears(listing, name):
                seen.setdefault(listing.repo, listing)
        if any(_folders(listing, name) for listing in seen.values()):
            break
    else:
        for repo in (services.hub.full_text(name) or [])[:SHOWN]:
            one = services.hub.repository(repo)
            if one and _folders(one, name):
                seen.setdefault(one.repo, one)
    yield from seen.values()


def _bears(listing: Listing, name: str) -> bool:
    akin = loose(listing.repo.rpartition("/")[2]) == loose(name)
    return akin or bool(_folders(listing, name))


def _folders(listing: Listing, name: str) -> list[HubFolder]:
    """The repository, or its folders, that bear exactly this name."""
    paths = [path for paths in listing.files.values() for path in paths]
    inside = {
        "/".join(parts[: parts.index(name) + 1])
        for parts in (path.split("/")[:-1] for path in paths)
        if name in parts
    }
    found = [HubFolder(listing.repo, listing.revision, path) for path in sorted(inside)]
    if not found and listing.repo.rpartition("/")[2].casefold() == name.casefold():
        found = [HubFolder(listing.repo, listing.revision)]
    return found
