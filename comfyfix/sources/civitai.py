"""Civitai as a source: by hash where one is known, else by the words of the name.

Civitai's search knows model names, not file names; the files of what it finds are compared with
the wanted name, the name that a download gets included. Downloads are asked for by file id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from comfyfix.errors import ModelProblem
from comfyfix.file_names import GENERIC, loose
from comfyfix.net.civitai_address import CivitaiFile
from comfyfix.net.hosts import CIVITAI
from comfyfix.providers.civitai.choice import COMPONENTS, choose
from comfyfix.providers.civitai.entries import CivitaiEntry
from comfyfix.providers.civitai.kinds import misplaced, types_for
from comfyfix.providers.civitai.names import model_queries
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services, Wanted
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
            evidence = (because(Why.CIVITAI_KNOWS_HASH),)
            yield _confirmed(entry, NAME, services, evidence, entry.name)
            return
    if wanted.model.name.rpartition(".")[0].lower() in GENERIC:
        return
    types = types_for(wanted.model.folder)
    akin: list[Rejected] = []
    for query in model_queries(wanted.model.name):
        entries = services.civitai.search(query, types)
        models = list(dict.fromkeys(entry.model for entry in entries))
        services.log_search(wanted, NAME, query, {"files": len(entries), "models": models})
        akin += _akin(entries, wanted)
        bearing = [e for e in entries if wanted.model.name in (e.name, e.saved_as)]
        for entry in bearing:
            yield _judged(entry, query, wanted, services)
        if bearing:
            return
    yield from akin[:SHOWN]


def confirm(target: CivitaiFile, name: str, source: str, services: Services) -> Finding:
    """Ask Civitai about the file that a URL names. Raises SourceDown."""
    where = CIVITAI + target.download_path
    entries = services.civitai.version(target.version)
    if entries is None:
        return Rejected(source=source, where=where, reason=because(Why.CIVITAI_NO_VERSION))
    entry = choose(entries, target, name)
    if isinstance(entry, Reason):
        return Rejected(source=source, where=where, reason=entry)
    evidence = (because(Why.URL_TOLD, source=source, url=where),)
    found = _confirmed(entry, source, services, evidence, entry.name)
    if isinstance(found, Rejected) and target.file is None and target.type in COMPONENTS:
        # Another version may have lent this part: then its id belongs to that one.
        return _confirmed(entry, source, services, evidence, entry.name, file=target)
    return found


def _akin(entries: Sequence[CivitaiEntry], wanted: Wanted) -> list[Rejected]:
    name = wanted.model.name
    return [
        Rejected(source=NAME, where=f"{entry.where}: {entry.name}", reason=because(Why.NAME_AKIN))
        for entry in entries
        if loose(entry.name) == loose(name) and name not in (entry.name, entry.saved_as)
    ]


def _judged(entry: CivitaiEntry, query: str, wanted: Wanted, services: Services) -> Finding:
    reason = misplaced(entry.kind, entry.file_type, wanted.model.folder)
    if reason:
        return Rejected(source=NAME, where=entry.where, reason=reason)
    evidence = [because(Why.FOUND_BY_WORDS, words=query)]
    if wanted.model.name != entry.name:
        evidence.append(because(Why.CIVITAI_NAMED_SO))
    return _confirmed(entry, NAME, services, evidence, wanted.model.name)


def _confirmed(
    entry: CivitaiEntry,
    source: str,
    services: Services,
    evidence: Sequence[Reason],
    name: str,
    *,
    file: CivitaiFile | None = None,
) -> Finding:
    """Turn a file into a candidate, unless Civitai itself says that it can't or must not be had."""
    if entry.scan and not entry.mode:
        reason = because(Why.CIVITAI_SCAN, told=entry.scan)
        return Rejected(source=source, where=entry.where, reason=reason)
    file = file or CivitaiFile(entry.version_id, entry.file_id)
    found = Candidate(
        source=source,
        where=entry.where,
        name=name,
        url=CIVITAI + file.download_path,
        size=entry.size,
        size_exact=entry.exact,
        sha256=entry.sha256,
        publisher=entry.publisher,
        licence=entry.licence,
        base_model=entry.base_model,
        evidence=tuple(evidence),
    )
    closed = services.civitai.access(entry, file)
    if isinstance(closed, ModelProblem):
        return Blocked(found, closed)
    if closed:
        return Rejected(source=source, where=entry.where, reason=closed)
    return found
