"""Which places bear a name, which contents they hold, and what is said of each in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from comfyfix.file_names import Words, loose
from comfyfix.net.urls.hub_address import HubFile, is_hub_path
from comfyfix.providers.huggingface.answers import HubItem, Listing
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Finding, Services, Wanted, rejected
from comfyfix.sources.hub_files import candidate, opened
from comfyfix.sources.trust import rules as trust
from comfyfix.sources.trust.rules import Holder
from comfyfix.why import Why

SOURCE = "huggingface"
HOLDERS_MAX = 12  # places of one name that are compared, one request each
SHOWN = 6
RENAMED_REPOSITORIES = 3
RENAMED_FILES = 60


class Places:
    """The repositories that one search has listed, and the files in them that bear the name."""

    def __init__(self, wanted: Wanted, services: Services, words: Words) -> None:
        self.wanted = wanted
        self.services = services
        self.words = words
        self.listings: dict[str, Listing] = {}
        self.alone = False  # the full-text search knows no further place
        self._described: dict[str, list[Holder]] = {}

    def add(self, listings: Iterable[Listing]) -> None:
        """Take in what a question has listed."""
        for listing in listings:
            self.listings.setdefault(listing.repo, listing)

    def settled(self) -> bool:
        """Tell whether more questions can't change the answer."""
        contents = self.contents()
        if self.wanted.likely:
            return bool(self.wanted.likely & contents.keys())
        if len(contents) != 1:
            return len(contents) > 1
        (holders,) = contents.values()
        # A stranger can give his repository any name: more places are looked into first.
        vouched = self.alone or trust.vouched(holders)
        return vouched and self._weighed(holders)[0] >= trust.ENOUGH

    def near(self) -> Iterator[Rejected]:
        """Files whose names differ from the wanted one in case or separators only."""
        name = self.wanted.model.name
        paths = [
            f"{listing.repo}/{path}"
            for listing in self.listings.values()
            for path in listing.files.get(loose(name), ())
            if path.rpartition("/")[2] != name
        ]
        for where in paths[:SHOWN]:
            yield rejected(SOURCE, where, Why.NAME_AKIN)

    def findings(self) -> Iterator[Finding]:
        """Yield the best place of every content."""
        contents = self.contents()
        if self.wanted.likely and not self.wanted.likely & contents.keys():
            yield from self._renamed()
        for holders in contents.values():
            points, rules = self._weighed(holders)
            best = self._candidate(holders, rules)
            if len(contents) == 1 and points < trust.ENOUGH and not self.wanted.likely:
                yield trust.doubt(best, holders, rules)
            else:
                yield opened(best, self.services.hub)
        for holder in self.holders():
            if holder.item.sha256 is None:
                yield rejected(SOURCE, f"{holder.listing.repo}/{holder.path}", Why.NO_SHA256)

    def holders(self) -> list[Holder]:
        """Every place that bears the name, described by the Hub."""
        name = self.wanted.model.name
        bearing = [item for item in self.listings.values() if item.bearing(name)]
        bearing.sort(key=lambda item: (item.gated, -item.downloads))
        for listing in bearing[:HOLDERS_MAX]:
            if listing.repo not in self._described:
                self._described[listing.repo] = self._describe(listing, listing.bearing(name))
        return [holder for holders in self._described.values() for holder in holders]

    def _describe(self, listing: Listing, paths: list[str]) -> list[Holder]:
        safe = [path for path in paths if is_hub_path(path)]
        items = self.services.hub.details(listing.repo, listing.revision, tuple(safe))
        return [Holder(listing, path, items.get(path, HubItem())) for path in safe]

    def contents(self) -> Mapping[str, list[Holder]]:
        """The places by the sha256 of what they hold."""
        contents: defaultdict[str, list[Holder]] = defaultdict(list)
        for holder in self.holders():
            if holder.item.sha256:
                contents[holder.item.sha256].append(holder)
        return contents

    def _weighed(self, holders: list[Holder]) -> tuple[float, list[Reason]]:
        return trust.weigh(self.words, holders, self.wanted.model.folder, alone=self.alone)

    def _renamed(self) -> Iterator[Finding]:
        """Files of another name whose hash is the wanted one, in the likeliest repositories."""
        name = self.wanted.model.name
        ending = "." + name.rpartition(".")[2].casefold()
        related = sorted(
            self.listings.values(),
            key=lambda item: (
                loose(name) not in item.files,
                -self.words.in_repository(item.repo),
                -item.downloads,
            ),
        )
        for listing in related[:RENAMED_REPOSITORIES]:
            paths = [
                p for ps in listing.files.values() for p in ps if p.casefold().endswith(ending)
            ]
            for holder in self._describe(listing, paths[:RENAMED_FILES]):
                if holder.item.sha256 in self.wanted.likely:
                    rules = [because(Why.HASH_WANTED)]
                    yield opened(self._candidate([holder], rules), self.services.hub)
                    return

    def _candidate(self, holders: list[Holder], rules: list[Reason]) -> Candidate:
        first, *others = trust.by_origin(holders)
        evidence = [because(Why.LISTED_THERE, path=first.path), *rules]
        if others:
            places = sorted({other.listing.repo for other in others})[:SHOWN]
            evidence.append(because(Why.SAME_CONTENT_IN, places=places))
        listing, commit = first.listing, first.listing.revision
        file = HubFile(listing.repo, commit, first.path)
        return candidate(file, SOURCE, commit, listing, first.item, evidence=tuple(evidence))
