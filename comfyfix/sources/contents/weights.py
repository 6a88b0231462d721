"""Weights in one folder: a file, or the shards of a set, all of them or none.

Names are those that transformers and diffusers save by: `model.safetensors`, or
`model-00001-of-00005.safetensors` beside `model.safetensors.index.json`. A precision is told in
front of the ending, or of the number, and of the ending of the index.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

import msgspec

from comfyfix.file_names import SHARD
from comfyfix.records import Reason, because
from comfyfix.sources.contents.tree import Tree, joined
from comfyfix.why import Why

COUNT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that are whole: the names of their files, an index among them."""

    name: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """How weights are called: `model` and `safetensors`, and a precision if it is told."""

    stem: str
    ending: str
    variant: str = ""

    @property
    def file(self) -> str:
        """The name of the one file."""
        return f"{self.stem}{self._dotted}.{self.ending}"

    @property
    def index(self) -> str:
        """The name of the file that tells which shards there are."""
        return f"{self.stem}.{self.ending}.index{self._dotted}.json"

    @property
    def _dotted(self) -> str:
        return f".{self.variant}" if self.variant else ""

    def has(self, shard: re.Match[str]) -> bool:
        """Tell whether a shard is one of it, wherever its precision is told."""
        told = f"{shard['stem']}{shard['variant']}", shard["ending"]
        return told == (f"{self.stem}{self._dotted}", self.ending)


def find(tree: Tree, folder: str, saved: Saved) -> Weights | Reason | None:
    """The weights of this name in a folder; why they are not whole; None if there are none.

    The readers take the file where there are shards too, and no shards without an index.
    """
    names = tree.names(folder)
    if saved.file in names:
        return Weights(saved.file, (saved.file,))
    found = [match for name in names if (match := SHARD.fullmatch(name)) and saved.has(match)]
    if saved.index not in names:
        return because(Why.CONTENTS_LACK, missing=saved.index) if found else None
    listed = _indexed(tree, joined(folder, saved.index))
    if listed is None and not found:
        return because(Why.CONTENTS_LACK, missing=saved.file)
    shards = listed if listed is not None else _numbered(found)
    if isinstance(shards, Reason):
        return shards
    missing = sorted(shards - names)
    if missing:
        return because(Why.CONTENTS_LACK, missing=missing[0])
    return Weights(saved.file, (*sorted(shards), saved.index))


def siblings(tree: Tree, folder: str, shard: str) -> Weights | Reason:
    """All shards of the set that one of them names, by their numbers."""
    own = SHARD.fullmatch(shard)
    if own is None:
        return Weights(shard, (shard,))
    kin = "stem", "count", "variant", "ending"
    found = [
        match
        for name in tree.names(folder)
        if (match := SHARD.fullmatch(name)) and match.group(*kin) == own.group(*kin)
    ]
    index = Saved(own["stem"], own["ending"], own["variant"].removeprefix(".")).index
    has_index = index in tree.names(folder)
    listed = _indexed(tree, joined(folder, index)) if has_index else None
    numbered = _numbered(found or [own])
    shards = numbered if listed is None else listed
    if isinstance(shards, Reason):
        return shards
    if shard not in shards or (not isinstance(numbered, Reason) and not numbered <= shards):
        return because(Why.CONTENTS_INDEX, index=index, name=shard)
    missing = sorted(shards - tree.names(folder))
    if missing:
        return because(Why.CONTENTS_LACK, missing=missing[0])
    return Weights(shard, (*sorted(shards), *([index] if has_index else [])))


def _numbered(found: list[re.Match[str]]) -> frozenset[str] | Reason:
    """The names of a set: each number from the first to the last, as its shards are written."""
    counts: defaultdict[str, list[re.Match[str]]] = defaultdict(list)
    for match in found:
        counts[match["count"]].append(match)
    if len(counts) != 1:
        names = tuple(sorted(of[0].group() for of in counts.values()))
        return because(Why.CONTENTS_SETS, names=names)
    ((told, shards),) = counts.items()
    count = int(told)
    if not 0 < count <= COUNT_MAX:
        return because(Why.CONTENTS_MANY, count=count, limit=COUNT_MAX)
    if any(not int(shard["number"]) for shard in shards):
        # Some count from nought and end one short of the count, others do not.
        return because(Why.CONTENTS_UNREAD, name="*.index.json")
    first = min(shards, key=lambda shard: shard.group())
    there = {int(shard["number"]) for shard in shards}
    if max(there) > count or len(shards) != len(there):
        return because(Why.CONTENTS_SETS, names=tuple(sorted(s.group() for s in shards)[:2]))
    start, end = first.span("number")
    wide = end - start
    text = first.group()
    wanted = (f"{text[:start]}{number:0{wide}}{text[end:]}" for number in range(1, count + 1))
    return frozenset(wanted)


def _indexed(tree: Tree, path: str) -> frozenset[str] | Reason | None:
    """The shards that an index names; None if it has not been read."""
    text = tree.text(path)
    if text is None:
        return None
    name = path.rpartition("/")[2]
    try:
        index = msgspec.json.decode(text, type=_Index)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return because(Why.CONTENTS_UNREADABLE, name=name)
    shards = frozenset(index.weight_map.values())
    odd = sorted(shard for shard in shards if "/" in shard or "\\" in shard or not shard)
    if odd or not 0 < len(shards) <= COUNT_MAX:
        return because(Why.CONTENTS_UNREADABLE, name=name)
    return shards


class _Index(msgspec.Struct):
    weight_map: dict[str, str]
