"""Civitai as a source: by hash where one is known, else by the words of the name.

Civitai's search knows model names, not file names; the files of what it finds are compared with
the wanted name. Of several of one name in one version, the primary is the one that is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.errors import ModelProblem
from comfyfix.file_names import GENERIC, loose
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import CIVITAI
from comfyfix.providers.civitai.choice import address_of, bearing, choose, others, several
from comfyfix.providers.civitai.entries import CivitaiEntry
from comfyfix.providers.civitai.kinds import misplaced, types_for
from comfyfix.providers.civitai.names import model_queries
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services, Wanted, rejected
from comfyfix.why import Why

NAME = "civitai"
DECISIVE = False
SHOWN = 6


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield the files that have the wanted hash, or else those that bear the wanted name."""
    for digest in sorted(wanted.likely):
        entries = services.civitai.by_hash(digest)
        services.log_search(wanted, NAME, digest, {"files": len(entries)})
        for entry in entries[:1]:
            evidence = because(Why.CIVITAI_KNOWS_HASH)
            yield _confirmed(entry, entries, NAME, services, evidence, is_meant=False)
            return
    yield from _by_words(wanted, services, model_queries(wanted.model.name), nsfw=True)


class Last:
    """Civitai once more, where all sources have nothing.

    Models in which minors are depicted are left out where grown-up content is asked for. They are
    few, and what all the others cost is one question less.
    """

    NAME = NAME
    DECISIVE = DECISIVE

    @staticmethod
    def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
        """Yield what a search without grown-up content has of this name."""
        yield from _by_words(wanted, services, model_queries(wanted.model.name)[:1], nsfw=False)


def _by_words(
    wanted: Wanted, services: Services, queries: Sequence[str], *, nsfw: bool
) -> Iterator[Finding]:
    if wanted.model.name.rpartition(".")[0].lower() in GENERIC:
        return
    types = types_for(wanted.model.folder)
    akin: list[Rejected] = []
    for query in queries:
        entries = services.civitai.search(query, types, nsfw=nsfw)
        models = list(dict.fromkeys(entry.model for entry in entries))
        services.log_search(wanted, NAME, query, {"files": len(entries), "models": models})
        akin += _akin(entries, wanted)
        named = bearing(entries, wanted.model.name)
        for entry in named:
            yield _judged(entry, entries, query, wanted, services)
        if named:
            return
    yield from akin[:SHOWN]


def confirm(
    target: CivitaiFile, name: str, source: str, services: Services, sha256: str | None = None
) -> Finding:
    """Ask Civitai about the file that a URL names, perhaps with a hash. Raises SourceDown."""
    where = CIVITAI + target.where
    entries = _of_target(target, name, services)
    if isinstance(entries, Reason):
        return Rejected(source=source, where=where, reason=entries)
    entry = choose(entries, target, name, sha256)
    if isinstance(entry, Reason):
        return Rejected(source=source, where=where, reason=entry)
    evidence = because(Why.URL_TOLD, source=source, url=where)
    return _confirmed(entry, entries, source, services, evidence, is_meant=bool(target.query))


def _of_target(target: CivitaiFile, name: str, services: Services) -> list[CivitaiEntry] | Reason:
    """The files of the version that is meant; of a model alone the one that has the name."""
    if target.version:
        entries = services.civitai.version(target.version)
        return because(Why.CIVITAI_NO_VERSION) if entries is None else entries
    entries = services.civitai.model(target.model or 0)
    if not entries:
        return because(Why.CIVITAI_NO_PAGE)
    versions = {entry.version_id for entry in entries if entry.name == name}
    versions = versions or {entry.version_id for entry in entries}
    if len(versions) > 1:
        return because(Why.CIVITAI_WHICH_VERSION, count=len(versions))
    return [entry for entry in entries if entry.version_id in versions]


def _akin(entries: Sequence[CivitaiEntry], wanted: Wanted) -> list[Rejected]:
    name = wanted.model.name
    return [
        rejected(NAME, f"{entry.where}: {entry.name}", Why.NAME_AKIN)
        for entry in entries
        if loose(entry.name) == loose(name) and entry.name != name
    ]


def _judged(
    entry: CivitaiEntry,
    entries: Sequence[CivitaiEntry],
    query: str,
    wanted: Wanted,
    services: Services,
) -> Finding:
    reason = misplaced(entry.kind, entry.file_type, wanted.model.folder)
    rivals = [] if entry.primary else others(entry, entries)
    if entry.others_unread or any(rival.sha256 is None for rival in rivals):
        reason = reason or several([entry, *rivals])
    if reason:
        return Rejected(source=NAME, where=entry.where, reason=reason)
    evidence = because(Why.FOUND_BY_WORDS, words=query)
    return _confirmed(entry, entries, NAME, services, evidence, is_meant=False)


def _confirmed(
    entry: CivitaiEntry,
    entries: Sequence[CivitaiEntry],
    source: str,
    services: Services,
    evidence: Reason,
    *,
    is_meant: bool,
) -> Finding:
    """Turn a file into a candidate, unless Civitai itself says that it can't or must not be had.

    `is_meant`: an address says which of its name is meant, so the others are no news.
    """
    if entry.scan and entry.file_id:
        return Rejected(source=source, where=entry.where, reason=entry.scan)
    file = address_of(entry, entries)
    found = Candidate(
        source=source,
        where=entry.where,
        name=entry.name,
        url=CIVITAI + file.download_path,
        size=entry.size,
        size_exact=entry.exact,
        sha256=entry.sha256,
        publisher=entry.publisher,
        licence=entry.licence,
        base_model=entry.base_model,
        popularity=entry.downloads,
        date=entry.published,
        page=f"{CIVITAI}/models/{entry.model_id}?modelVersionId={entry.version_id}",
        picture=entry.picture,
        evidence=(evidence,),
        note=None if is_meant else _also(entry, entries),
    )
    obstacle = services.civitai.access(entry, file)
    if isinstance(obstacle, ModelProblem):
        return Blocked(found, obstacle)
    if obstacle:
        return Rejected(source=source, where=entry.where, reason=obstacle)
    return found


def _also(entry: CivitaiEntry, entries: Sequence[CivitaiEntry]) -> Reason | None:
    """What else the version holds under this name, each with the way to have it instead."""
    alternatives = [
        because(
            Why.CIVITAI_OTHER_FILE,
            traits=", ".join(value for _, value in other.traits) or other.file_type,
            size=other.size or 0,
            name=entry.name,
            url=CIVITAI + CivitaiFile(other.version_id, other.file_id).download_path,
        )
        for other in others(entry, entries)[:SHOWN]
    ]
    return because(Why.CIVITAI_ALSO_AS, others=alternatives) if alternatives else None
