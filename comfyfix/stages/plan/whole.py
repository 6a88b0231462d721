"""Whole: which files of a directory or a set are there, and are they those of their receipts?

Where no record tells the files, the folder itself is asked: an index that names a weight file, or
the number in a shard's name, tells what should lie beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from comfyfix import endings
from comfyfix.comfyui.references.lookup import Lookup, keys_of
from comfyfix.disk import regular
from comfyfix.disk.files import regular_stat
from comfyfix.file_names import SHARD, shards
from comfyfix.loose_json import mapping
from comfyfix.records import Model, Receipt, Record, Reference
from comfyfix.stages.needs.join import Need
from comfyfix.stages.needs.work import Pending, Present
from comfyfix.state.trust import Trust

FILES_MAX = 10_000  # of one directory that are looked at
INDEX_MAX = 64_000_000  # bytes
_MODELS = tuple(endings.LISTED.union(endings.PICKLES))
_INDEX = re.compile(r".*\.index(\.\w+)?\.json", re.IGNORECASE)
_PIPELINE = "model_index.json"
_READ = ("unet", "vae", "text_encoder")
"""The parts of a pipeline that ComfyUI's own loader of folders reads."""


def location(need: Need, lookup: Lookup) -> str:
    """Where a directory or a set lies, in whichever folder of its key; else where it is written."""
    for key, below in keys_of(need.lead, need.model.path, need.model.folder or ""):
        for directory in lookup.folders.directories(key):
            places = [f"{directory}/{path}" for path in shards(below)] or [f"{directory}/{below}"]
            is_there = os.path.isdir if need.is_directory else regular_stat
            if any(map(is_there, places)):
                return places[0]
    return need.location


def pending(
    need: Need, record: Record | None, own: Mapping[str, Receipt], trust: Trust, store: Path
) -> Pending | None:
    """Why there is work to do; None where every file is there, and as its receipt says."""
    if record is None:
        if not any(_files(need)):
            return Pending.ABSENT
        return Pending.INCOMPLETE if lacks_some(need) else None
    stats = [(member, regular_stat(member.destination)) for member in record.members]
    if not all(info for _, info in stats):
        return Pending.INCOMPLETE if any(info for _, info in stats) else Pending.ABSENT
    without_receipt = False
    for member, info in stats:
        if info is None or info.st_size != member.size:
            return Pending.CHANGED
        place = member.destination
        receipt = own.get(member.model.key) or trust.of_store(
            store, member.model, place, info, bound=False
        )
        if receipt and not trust.holds(receipt, place, info):
            return Pending.CHANGED
        without_receipt = without_receipt or receipt is None
    return Pending.UNVERIFIED if without_receipt else None


def present(need: Need) -> Present:
    """What is there, without a record that tells of it."""
    stats = {path: info for path in sorted(_files(need)) if (info := regular_stat(path))}
    return need.as_present(
        size=sum(info.st_size for info in stats.values()),
        mtime_ns=max((info.st_mtime_ns for info in stats.values()), default=0),
        files=tuple(path for path in stats if path.lower().endswith(_MODELS)),
    )


def is_part(reference: Reference, lookup: Lookup) -> bool:
    """Tell what is there of a directory or a set where it says that more belongs to it."""
    first = next(iter(shards(reference.path)), "")
    if reference.folder is None or not (first or reference.is_directory):
        return False
    model = Model(folder=reference.folder, path=first or reference.path)
    need = Need(model=model, is_directory=reference.is_directory, references=[reference])
    need.location = location(need, lookup)
    return lacks_some(need)


def lacks_some(need: Need) -> bool:
    """Tell whether the files that are there say that others are not."""
    there = frozenset(_files(need))
    if not need.is_directory:
        return _lacks_a_part(need.location, there)
    named = [path.rpartition("/")[2] for path in need.lead.files]
    if need.model.folder == "diffusers":
        named.append(_PIPELINE)
    if not there.issuperset(f"{need.location}/{name}" for name in named):
        return True
    one_of_each_set = {parts[0]: path for path in there if (parts := shards(path))}
    return any(_lacks_a_part(path, there) for path in one_of_each_set.values()) or any(
        _names_absent(path, there) for path in there
    )


def _lacks_a_part(shard: str, there: frozenset[str]) -> bool:
    return not any(there.issuperset(parts) for parts in _numberings(shard))


def _numberings(path: str) -> tuple[tuple[str, ...], ...]:
    """The parts of a set, counted from one and from nought."""
    from_one = shards(path)
    first = SHARD.fullmatch(path.rpartition("/")[2])
    if first is None:
        return (from_one,)
    start, end = (len(path.rpartition("/")[0]) + 1 + at for at in first.span("number"))
    return from_one, shards(f"{path[:start]}{0:0{end - start}}{path[end:]}")


def _names_absent(path: str, there: frozenset[str]) -> bool:
    """Tell whether an index names a file, or a pipeline a part, that is not there."""
    folder, _, name = path.rpartition("/")
    if name == _PIPELINE:
        listed = _read(path)
        parts = [part for part in _READ if _is_part(listed.get(part))]
        return any(not any(p.startswith(f"{folder}/{part}/") for p in there) for part in parts)
    if not _INDEX.fullmatch(name):
        return False
    weights = mapping(_read(path).get("weight_map")).values()
    listed_files = {f"{folder}/{weight}" for weight in weights if isinstance(weight, str)}
    # A repository may hold an index for each precision, and nothing but one of them be needed.
    return bool(listed_files & there) and not listed_files <= there


def _is_part(value: Any) -> bool:
    """`"unet": ["diffusers", "UNet2DConditionModel"]`, and not `[null, null]`."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _read(path: str) -> Mapping[str, Any]:
    try:
        return mapping(msgspec.json.decode(regular.read(path, INDEX_MAX)))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _files(need: Need) -> Iterator[str]:
    """The files of it that are there, in full."""
    if not need.is_directory:
        parts = dict.fromkeys(path for paths in _numberings(need.location) for path in paths)
        yield from filter(regular_stat, parts)
        return
    count = 0
    for place, below, names in os.walk(need.location):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            count += 1
            if count > FILES_MAX:
                return
            if not name.startswith("."):
                yield f"{place}/{name}"
