"""Sets: of a file that is one part of several, all parts, and what its loader reads beside them."""

from __future__ import annotations

from collections.abc import Sequence

from comfyfix.errors import ModelProblem
from comfyfix.file_names import shards
from comfyfix.net.hosts import HUGGINGFACE, HubFolder
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, FileFact, Reason
from comfyfix.sources import directories
from comfyfix.sources.base import Services, Wanted
from comfyfix.sources.stand_in import beside
from comfyfix.why import Why


def completed(found: Candidate, wanted: Wanted, services: Services) -> Candidate:
    """Return all files of the set that a file is part of.

    Raises ModelProblem where its provider has not all of them, and SourceDown.
    """
    parts, own = shards(found.path), wanted.model.shards
    if not found.repo or len(parts) != len(own):
        url = found.url or found.where
        raise ModelProblem(Outcome.UNCERTAIN, Why.PARTS_UNTOLD, name=wanted.model.name, url=url)
    folder = HubFolder(found.repo, found.commit, found.path.rpartition("/")[0])
    told = services.hub.about(folder.repo, folder.revision)
    if isinstance(told, Reason):
        raise ModelProblem(Outcome.NOT_FOUND, Why.AT_PLACE, place=folder.where, reason=told)
    facts = {fact.path: fact for fact in directories.facts(folder, told)}
    names = [part.rpartition("/")[2] for part in parts]
    absent = [name for name in names if name not in facts]
    if absent:
        raise ModelProblem(
            Outcome.UNCERTAIN,
            Why.PARTS_ABSENT,
            name=wanted.model.name,
            place=folder.where,
            parts=absent[:6],
        )
    files = [
        _renamed(facts[name], path.rpartition("/")[2])
        for name, path in zip(names, own, strict=True)
    ]
    others = [fact for name, fact in facts.items() if name not in names]
    whole = [*beside(others, files, wanted), *_named_last(files, wanted)]
    unfit = directories.unfit(whole)
    if unfit:
        raise ModelProblem(Outcome.NOT_FOUND, Why.AT_PLACE, place=folder.where, reason=unfit)
    scan = directories.scan(folder, [*map(facts.__getitem__, names)], told)
    url = HUGGINGFACE + folder.tree_path()
    return found.with_files(whole, scan=scan, url=url, path=folder.path)


def _named_last(files: Sequence[FileFact], wanted: Wanted) -> list[FileFact]:
    """ComfyUI lists a set from the moment that the file is there which a widget names."""
    named = {reference.name for reference in wanted.references} | {wanted.model.name}
    return sorted(files, key=lambda file: (file.path in named, file.path == wanted.model.name))


def _renamed(fact: FileFact, name: str) -> FileFact:
    return FileFact(path=name, url=fact.url, size=fact.size, sha256=fact.sha256, blob=fact.blob)
