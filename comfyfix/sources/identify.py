"""Identify: whose file is this, known by its hash alone?

Civitai is asked by hash, a hundred at a time; OpenModelDB's list is read for upscalers. The Hub
has no lookup by hash: it is asked by name, and a file of that name with the same sha256 counts.
That takes some questions for each file, so their number is bounded. Civitai learns hashes and
the Hub learns names of the user's files, so none of this is done unless the user asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import Problem, RegionBlocked, SourceDown
from comfyfix.file_names import read
from comfyfix.net.urls.hub_address import is_hub_path
from comfyfix.providers.civitai.api import HASHES_MAX
from comfyfix.providers.huggingface.answers import Listing
from comfyfix.providers.huggingface.hub import Hub
from comfyfix.records import Model, Reason
from comfyfix.sources import openmodeldb
from comfyfix.sources.base import Services, Wanted
from comfyfix.sources.trust import publishers

AT_ONCE = HASHES_MAX
UNLISTED = 2  # repositories that only the full-text search knows, looked into one by one
COMPARED = 4  # repositories that bear the name, whose file is described
T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the services say of one file: `where` it is published, or else nothing.

    `warning` is what a provider's own scan says against it, `not_asked` which services could not
    be asked.
    """

    where: str = ""
    warning: Reason | None = None
    not_asked: tuple[str, ...] = ()


class Identifier:
    """Asks for one run; a service that could not be asked is not asked again."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._down: dict[str, Problem] = {}

    @property
    def problems(self) -> list[Problem]:
        """Why services could not be asked."""
        return list(self._down.values())

    def ask(self, files: Sequence[tuple[Model, str]]) -> list[Answer]:
        """Say of each file (model, sha256), AT_ONCE at most, where it is published."""
        digests = [digest for _, digest in files]
        entries = self._asked("civitai", lambda: self._services.civitai.by_hashes(digests)) or {}
        of_civitai = {
            digest: Answer(where=f"Civitai: {entry.where}", warning=entry.scan)
            for digest, entry in entries.items()
        }
        return [of_civitai.get(digest) or self._elsewhere(model, digest) for model, digest in files]

    def _elsewhere(self, model: Model, digest: str) -> Answer:
        where = self._upscaler(model, digest) or self._hub(model, digest)
        return Answer(where=where) if where else Answer(not_asked=tuple(self._down))

    def _asked(self, source: str, ask: Callable[[], T]) -> T | None:
        """What a service says; None where it is not to be asked, or could not be."""
        if source not in self._services.manifest.search.sources or source in self._down:
            return None
        try:
            return ask()
        except (SourceDown, RegionBlocked) as problem:
            self._down[source] = problem
            return None

    def _upscaler(self, model: Model, digest: str) -> str:
        if model.folder != openmodeldb.FOLDER:
            return ""
        resources = self._asked(openmodeldb.NAME, self._services.openmodeldb.files) or ()
        return next((f"OpenModelDB: {r.model}" for r in resources if r.sha256 == digest), "")

    def _hub(self, model: Model, digest: str) -> str:
        if read(model.name).generic:
            return ""
        hub = self._services.hub
        repo = self._asked("huggingface", lambda: _on_the_hub(model, digest, hub))
        if repo is not None:
            question = Wanted(model=model, sha256=digest)
            self._services.log_search(question, "huggingface", model.name, {"where": repo})
        return f"Hugging Face: {repo}" if repo else ""


def _on_the_hub(model: Model, digest: str, hub: Hub) -> str:
    """The repository that holds exactly this file under its name; empty if none is found."""
    compared: set[str] = set()
    for listings in _listings(model, hub):
        bearing = [li for li in listings if li.bearing(model.name) and li.repo not in compared]
        bearing.sort(key=lambda listing: -listing.downloads)
        for listing in bearing[: COMPARED - len(compared)]:
            compared.add(listing.repo)
            paths = tuple(path for path in listing.bearing(model.name) if is_hub_path(path))
            items = hub.details(listing.repo, listing.revision, paths)
            if any(item.sha256 == digest for item in items.values()):
                return printable(listing.repo)
    return ""


def _listings(model: Model, hub: Hub) -> Iterator[Sequence[Listing]]:
    """Where it may be, the most telling question first; the next is asked only if need be."""
    words = read(model.name)
    repos = hub.full_text(model.name) or []
    yield [listing for repo in repos[:UNLISTED] if (listing := hub.repository(repo))]
    word = next(iter(words.telling), words.stem)
    yield hub.search(publishers.family(word)).listings
    for author in publishers.likely(model.name, words.stem, model.folder)[:1]:
        yield hub.of_publisher(author).listings
