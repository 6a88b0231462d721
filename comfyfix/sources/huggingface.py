"""Hugging Face as a source: repositories by words, publishers and text, then their file lists.

The Hub's `search` matches repository names, never file names. So repositories are looked for by
the words of the name, at publishers of its family, and by full text where that answers; then
every file that bears exactly the name is described, and contents are compared. One content
counts when the rules of `trust` say so; several are for the user to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from comfyfix.file_names import SHORT, Words, loose, read
from comfyfix.providers.huggingface import hub
from comfyfix.providers.huggingface.answers import Answered, Listing
from comfyfix.sources import repositories
from comfyfix.sources.base import Finding, Services, Wanted, rejected
from comfyfix.sources.places import SOURCE, Places
from comfyfix.sources.trust import publishers
from comfyfix.why import Why

NAME = SOURCE
DECISIVE = False
UNLISTED = 3  # repositories that only the extras know, looked into one by one
FAMILY = 5  # publishers asked when the likeliest one has nothing
COLLECTIONS = ("lora", "model", "comfyui")
Step = Callable[[], object]


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield one candidate per content that bears the name, and what almost does. See Doubtful."""
    if wanted.is_directory:
        yield from repositories.find(wanted, services)
        return
    title = _title(wanted)
    words = read(f"{title}.safetensors" if title else wanted.model.name)
    if words.generic and not wanted.likely:
        yield rejected(NAME, wanted.model.name, Why.NAME_TOO_COMMON)
        return
    hunt = _Hunt(wanted, services, words, title)
    for ask in hunt.rounds():
        ask()
        if hunt.places.settled():
            hunt.of_the_same_name()
            break
    yield from hunt.places.near()
    yield from hunt.places.findings()


def _title(wanted: Wanted) -> str:
    """The folder of a part of a set, where the part's own name says nothing: as repositories are
    called that have such parts. Empty for all others."""
    *_, folder, name = ("", *wanted.model.path.split("/"))
    says_nothing = bool(wanted.model.shards) and not (_telling(read(name)) or wanted.likely)
    return folder if says_nothing and _telling(read(f"{folder}.safetensors")) else ""


def _telling(words: Words) -> bool:
    return any(len(word) >= SHORT for word in words.telling)


class _Hunt:
    """One search: what is asked, in which order; `title` is what repositories must be called."""

    def __init__(self, wanted: Wanted, services: Services, words: Words, title: str) -> None:
        self.wanted = wanted
        self.services = services
        self.words = words
        self.title = title
        self.places = Places(wanted, services, words)
        self.exhausted: list[str] = []  # words whose lists came whole

    def rounds(self) -> Iterator[Step]:
        """What to ask, the most telling first; the answers decide how far it goes."""
        words, folder = self.words, self.wanted.model.folder
        searches = self._searches()
        everywhere = publishers.always()
        likely = publishers.likely(self.wanted.model.name, words.stem, folder)
        family = [author for author in likely if author not in everywhere]

        def first() -> None:
            self._search(searches[0])
            for author in (*everywhere, *family[:1]):
                self._of_publisher(author)
            self._by_text()

        yield first
        if len(searches) > 1:
            # A word that too many repositories bear is narrowed by the next one.
            whole = searches[0].casefold() in self.exhausted
            yield partial(self._search, searches[1] if whole else " ".join(searches))
        for author in family[1:FAMILY]:
            yield partial(self._of_publisher, author)
        for piece in (*words.telling[2:4], *words.pieces[:2]):
            if len(piece) >= SHORT:
                yield partial(self._search, piece)
        yield self._by_quick_search
        # Collections are named for what they hold, or for nothing; one list serves a whole run.
        for collection in dict.fromkeys(((folder or COLLECTIONS[0]).rstrip("s"), *COLLECTIONS)):
            yield partial(self._in_collections, collection)

    def _searches(self) -> list[str]:
        if self.title:
            return [self.title, *self.words.telling[:1]]
        telling = [word for word in self.words.telling if len(word) >= SHORT]
        # `ltxv` is published in LTX-Video: the family's beginning finds more than the word.
        families = [publishers.family(word) for word in telling[:2]]
        return families or [" ".join((*self.words.telling, *self.words.marks)[:2])]

    def _search(self, words: str) -> None:
        if self._take(words, self.services.hub.search(words)):
            self.exhausted.append(words.casefold())

    def of_the_same_name(self) -> None:
        """Look for more repositories that are named like the one found: copies keep its name."""
        for holder in self.places.holders()[:1]:
            title = holder.listing.repo.rpartition("/")[2]
            name = title.casefold()
            if not any(all(word in name for word in ws.split()) for ws in self.exhausted):
                self._search(title)

    def _in_collections(self, word: str) -> None:
        self._take(word, self.services.hub.search(word, limit=hub.MOST))

    def _of_publisher(self, author: str) -> None:
        self._take(f"author:{author}", self.services.hub.of_publisher(author))

    def _take(self, query: str, answered: Answered) -> bool:
        """Take in what a question has listed; tell whether that is all there is."""
        self._add(answered.listings)
        self._log(query, [listing.repo for listing in answered.listings])
        return answered.whole

    def _add(self, listings: Sequence[Listing]) -> None:
        title = loose(self.title)
        if title:
            listings = [li for li in listings if loose(li.repo.rpartition("/")[2]) == title]
        self.places.add(listings)

    def _by_text(self) -> None:
        name = self.wanted.model.name
        repos = self.services.hub.full_text(name)
        if repos is not None:
            self._look_into(f"text:{name}", repos)
            self.places.alone = len(repos) < hub.HITS

    def _by_quick_search(self) -> None:
        if self.places.holders():
            return  # it knows names of repositories only, as the searches before it do
        text = next(iter(self.words.telling), self.words.stem)
        self._look_into(f"quick:{text}", self.services.hub.quick(text))

    def _look_into(self, query: str, repos: list[str]) -> None:
        unlisted = [repo for repo in repos if repo not in self.places.listings]
        for repo in unlisted[:UNLISTED]:
            listing = self.services.hub.repository(repo)
            self._add([listing] if listing else [])
        self._log(query, repos)

    def _log(self, query: str, repos: list[str]) -> None:
        answer = {"count": len(repos), "repositories": repos}
        self.services.log_search(self.wanted, NAME, query, answer)
