"""Identify: whose file is this, known by its hash alone?

Civitai is asked by hash, a hundred at a time; OpenModelDB's list is read for upscalers. The Hub
has no lookup by hash: it is asked by name, and a file of that name with the same sha256 counts.
That takes some questions for each file, so their number is bounded. Civitai learns hashes and
the Hub learns names of the user's files, so none of this is done unless the user asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import Problem, RegionBlocked, SourceDown
from comfyfix.file_names import read
from comfyfix.net.hub_address import is_hub_path
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
        known = self._civitai([digest for _, digest in files])
        return [self._one(model, digest, known.get(digest)) for model, digest in files]

    def _one(self, model: Model, digest: str, known: Answer | None) -> Answer:
        where = "" if known else self._upscaler(model, digest) or self._hub(model, digest)
        if known:
            return known
        return Answer(where=where) if where else Answer(not_asked=tuple(self._down))

    def _may_ask(self, source: str) -> bool:
        return source in self._services.manifest.search.sources and source not in self._down

    def _civitai(self, digests: Sequence[str]) -> dict[str, Answer]:
        if not self._may_ask("civitai"):
            return {}
        try:
            entries = self._services.civitai.by_hashes(digests)
        except (SourceDown, RegionBlocked) as problem:
            self._down["civitai"] = problem
            return {}
        return {
            digest: Answer(where=f"Civitai: {entry.where}", warning=entry.scan)
            for digest, entry in entries.items()
        }

    def _upscaler(self, model: Model, digest: str) -> str:
        if model.folder != openmodeldb.FOLDER or not self._may_ask(openmodeldb.NAME):
            return ""
        try:
            listed = self._services.openmodeldb.files()
        except SourceDown as problem:
            self._down[openmodeldb.NAME] = problem
            return ""
        named = (f"OpenModelDB: {r.model}" for r in listed if r.sha256 == digest)
        return next(named, "")

    def _hub(self, model: Model, digest: str) -> str:
        if not self._may_ask("huggingface") or read(model.name).generic:
            return ""
        try:
            where = _on_the_hub(model, digest, self._services.hub)
        except SourceDown as problem:
            self._down["huggingface"] = problem
            return ""
        asked = Wanted(model=model, sha256=digest)
        self._services.log_search(asked, "huggingface", model.name, {"where": where})
        return f"Hugging Face: {where}" if where else ""


def _on_the_hub(model: Model, digest: str, hub: Hub) -> str:
    """The repository that holds exactly this file under its name; empty if none is found."""
    seen: set[str] = set()
    for listings in _places(model, hub):
        bearing = [item for item in listings if item.bearing(model.name) and item.repo not in seen]
        for listing in sorted(bearing, key=lambda item: -item.downloads)[: COMPARED - len(seen)]:
            seen.add(listing.repo)
            paths = tuple(path for path in listing.bearing(model.name) if is_hub_path(path))
            items = hub.details(listing.repo, listing.revision, paths)
            if any(item.sha256 == digest for item in items.values()):
                return printable(listing.repo)
    return ""


def _places(model: Model, hub: Hub) -> Iterator[Sequence[Listing]]:
    """Where it may be, the most telling question first; the next is asked only if need be."""
    words = read(model.name)
    repos = hub.full_text(model.name) or []
    yield [found for r in repos[:UNLISTED] if (found := hub.repository(r))]
    word = next(iter(words.telling), words.stem)
    yield hub.search(publishers.family(word)).listings
    for author in publishers.likely(model.name, words.stem, model.folder)[:1]:
        yield hub.of_publisher(author).listings
