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
from comfyfix.comfyui.store.together import Together
from comfyfix.disk import looked
from comfyfix.disk.files import clean_text
from comfyfix.records import Model, Reason, Reference, because
from comfyfix.stages.needs.work import Plan
from comfyfix.stages.store.sweep import Choice
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Wanted:
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


@dataclass(frozen=True, slots=True)
class _Item:
    model: Model
    place: str
    is_directory: bool
    is_set: bool


def named_directories(references: Iterable[Reference], folders: Folders) -> frozenset[str]:
    """The directories that nodes read as one, also such as are switched off now."""
    found: set[str] = set()
    for reference in references:
        if not (reference.is_directory and reference.folder):
            continue
        for key, below in keys_of(reference, reference.path, reference.folder):
            places = (f"{directory}/{below}" for directory in folders.directories(key))
            found.update(place for place in places if looked.is_dir(place))
    return frozenset(found)


def wanted(
    plan: Plan,
    choices: Mapping[str, Sequence[Choice]],
    folders: Folders,
    references: Iterable[Reference],
) -> list[Wanted]:
    """What is needed and settled, in order, nothing inside another."""
    together = Together(named_directories(references, folders))
    found: dict[str, Wanted] = {}
    for item in _items(plan):
        each = _of(item, choices.get(item.model.key, ()), folders, together)
        if each and each.path in found:
            known = found[each.path]
            found[each.path] = replace(known, hashes={**each.hashes, **known.hashes})
        elif each:
            found[each.path] = each
    return [each for each in found.values() if not _is_inside_another(each, found)]


def _items(plan: Plan) -> Iterator[_Item]:
    for p in plan.models:
        if p.pending is None and p.problem is None:
            yield _Item(p.model, p.location, p.is_directory, bool(p.model.shards))
    for there in plan.present:
        is_set = there.files is not None and not there.is_directory
        yield _Item(there.model, there.location, there.is_directory, is_set)


def _of(
    item: _Item, choices: Sequence[Choice], folders: Folders, together: Together
) -> Wanted | None:
    """What has to come so that one model is there; None where it is, or ComfyUI looks nowhere."""
    key, base = _listed_in(item, folders)
    if not key or folders.is_copy(item.place):
        return None
    source = together.folder_of(item.place, base) or item.place
    if item.is_set and source == item.place:
        source = item.place.rpartition("/")[0]
    path = f"{written_name(key)}/{source[len(base) + 1 :]}"
    whole = source != item.place or item.is_directory
    if source == base:
        reason = because(Why.TIER_SET_ALONE, path=base)
        return Wanted(item.model.key, Path(item.place), path, reason=reason)
    if source != clean_text(source):
        reason = because(Why.TIER_NO_FILE, path=source)
        return Wanted(item.model.key, Path(source), path, reason=reason)
    hashes = {
        str(choice.path)[len(source) + 1 :]: sha256
        for choice in choices
        if (sha256 := _known(choice)) and f"{choice.path}/".startswith(f"{source}/")
    }
    return Wanted(item.model.key, Path(source), path, hashes, whole)


def _listed_in(item: _Item, folders: Folders) -> tuple[str, str]:
    """The folder key under which ComfyUI finds a place, and the directory of it; empty if none."""
    own = item.model.folder or ""
    for key in dict.fromkeys((own, *folders.paths)):
        for directory in folders.directories(key) if key and key not in BESIDE else ():
            if item.place.startswith(f"{directory}/"):
                return key, str(directory)
    return "", ""


def _is_inside_another(each: Wanted, found: dict[str, Wanted]) -> bool:
    """Tell whether it comes with another; what is known of its files is told there then."""
    above = each.path
    while above := above.rpartition("/")[0]:
        outer = found.get(above)
        if outer is not None and outer.is_whole and each.source.is_relative_to(outer.source):
            inside = each.source.relative_to(outer.source).as_posix()
            more = {f"{inside}/{path}".rstrip("/"): told for path, told in each.hashes.items()}
            found[above] = replace(outer, hashes={**more, **outer.hashes})
            return True
    return False


def _known(choice: Choice) -> str:
    """The sha256 that a file has to have: by the manifest, its source, or a receipt."""
    if choice.override and choice.override.digest:
        return choice.override.digest
    if choice.record and choice.record.sha256:
        return choice.record.sha256
    return choice.receipt.sha256 if choice.receipt else ""
