"""What of the store is to have a copy: files alone, and directories with all that is in them.

A file that lies in a directory which something may read as one comes with all of that: ComfyUI's
loaders open what lies in the folder that they find first, and would take a part for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from comfyfix.comfyui.references.lookup import keys_of
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import BESIDE, written_name
from comfyfix.comfyui.store.together import Together, folders_above
from comfyfix.disk import looked
from comfyfix.disk.files import clean_text
from comfyfix.records import Reason, Reference, because
from comfyfix.stages.needs.work import Plan, Planned, Present
from comfyfix.stages.store.sweep import Choice
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class NeededCopy:
    """A file or a directory (`is_whole`) that is needed, and where its copy lies below the tier.

    `hashes` is what is known of its files, by their paths in it (empty for the file itself): the
    sha256 that each has to have. `reason` is set where it can't have a copy.
    """

    model: str
    source: Path
    path: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    is_whole: bool = False
    reason: Reason | None = None


def named_directories(references: Iterable[Reference], folders: Folders) -> frozenset[str]:
    """The directories that nodes read as one, also such as are switched off now."""
    named: set[str] = set()
    for reference in references:
        if not (reference.is_directory and reference.folder):
            continue
        for key, below in keys_of(reference, reference.path, reference.folder):
            places = (f"{directory}/{below}" for directory in folders.directories(key))
            named.update(place for place in places if looked.is_dir(place))
    return frozenset(named)


def needed_copies(
    plan: Plan,
    choices: Mapping[str, Sequence[Choice]],
    folders: Folders,
    references: Iterable[Reference],
) -> list[NeededCopy]:
    """What is needed and settled, in order, nothing inside another."""
    together = Together(named_directories(references, folders))
    by_path: dict[str, NeededCopy] = {}
    for item, is_set in _settled(plan):
        needed = _copy_for(item, is_set, choices.get(item.model.key, ()), folders, together)
        if needed and needed.path in by_path:
            first = by_path[needed.path]
            by_path[needed.path] = replace(first, hashes={**needed.hashes, **first.hashes})
        elif needed:
            by_path[needed.path] = needed
    for path in list(by_path):
        if outer := _around(by_path[path], by_path):
            by_path[outer.path] = _with_hashes_of(outer, by_path.pop(path))
    return list(by_path.values())


def _settled(plan: Plan) -> Iterator[tuple[Planned | Present, bool]]:
    """What is there, and whether it is a set."""
    for planned in plan.models:
        if planned.pending is None and planned.problem is None:
            yield planned, bool(planned.model.shards)
    for present in plan.present:
        yield present, present.files is not None and not present.is_directory


def _copy_for(
    item: Planned | Present,
    is_set: bool,
    choices: Sequence[Choice],
    folders: Folders,
    together: Together,
) -> NeededCopy | None:
    """What has to come so that one model is there; None where it is, or ComfyUI looks nowhere."""
    place, model = item.location, item.model.key
    key, base = _listed_in(item, folders)
    if not key or folders.is_copy(place):
        return None
    source = together.folder_of(place, base) or place
    if is_set and source == place:
        source = place.rpartition("/")[0]
    path = f"{written_name(key)}/{source[len(base) + 1 :]}"
    if source == base:
        reason = because(Why.TIER_SET_ALONE, path=base)
        return NeededCopy(model, Path(place), path, reason=reason)
    if source != clean_text(source):
        reason = because(Why.TIER_NO_FILE, path=source)
        return NeededCopy(model, Path(source), path, reason=reason)
    hashes = {
        str(choice.path)[len(source) + 1 :]: sha256
        for choice in choices
        if (sha256 := _expected_sha256(choice)) and f"{choice.path}/".startswith(f"{source}/")
    }
    is_whole = source != place or item.is_directory
    return NeededCopy(model, Path(source), path, hashes, is_whole)


def _listed_in(item: Planned | Present, folders: Folders) -> tuple[str, str]:
    """The folder key under which ComfyUI finds a place, and the directory of it; empty if none."""
    own = item.model.folder or ""
    for key in dict.fromkeys((own, *folders.paths)):
        for directory in folders.directories(key) if key and key not in BESIDE else ():
            if item.location.startswith(f"{directory}/"):
                return key, str(directory)
    return "", ""


def _around(needed: NeededCopy, by_path: Mapping[str, NeededCopy]) -> NeededCopy | None:
    """The directory with which it comes."""
    for above in folders_above(needed.path):
        outer = by_path.get(above)
        if outer is not None and outer.is_whole and needed.source.is_relative_to(outer.source):
            return outer
    return None


def _with_hashes_of(outer: NeededCopy, needed: NeededCopy) -> NeededCopy:
    inside = needed.source.relative_to(outer.source).as_posix()
    more = {f"{inside}/{path}".rstrip("/"): sha256 for path, sha256 in needed.hashes.items()}
    return replace(outer, hashes={**more, **outer.hashes})


def _expected_sha256(choice: Choice) -> str:
    """The sha256 that a file has to have: by the manifest, its source, or a receipt."""
    if choice.override and choice.override.digest:
        return choice.override.digest
    if choice.record and choice.record.sha256:
        return choice.record.sha256
    return choice.receipt.sha256 if choice.receipt else ""
