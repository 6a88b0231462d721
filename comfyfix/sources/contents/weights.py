"""Weights in one folder: a file, or the shards of a set, all of them or none.

Names are those that transformers and diffusers save by: `model.safetensors`, or
`model-00001-of-00005.safetensors` beside `model.safetensors.index.json`. A precision is told in
front of the ending, or of the number, and of the ending of the index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from comfyfix.file_names import SHARD, SHARDS_MAX, shards
from comfyfix.records import Reason, because
from comfyfix.sources.contents.tree import Tree, joined
from comfyfix.why import Why

Weights = frozenset[str]
"""Weights that are whole: the names of their files, an index among them."""


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
        named = f"{shard['stem']}{shard['variant']}", shard["ending"]
        return named == (f"{self.stem}{self._dotted}", self.ending)


def find(tree: Tree, folder: str, saved: Saved) -> Weights | Reason | None:
    """The weights of this name in a folder; why they are not whole; None if there are none.

    The readers take the file where there are shards too, and no shards without an index.
    """
    names = tree.names(folder)
    if saved.file in names:
        return frozenset({saved.file})
    parts = [match for name in names if (match := SHARD.fullmatch(name)) and saved.has(match)]
    if saved.index not in names:
        return because(Why.CONTENTS_LACK, missing=saved.index) if parts else None
    indexed = _indexed(tree, joined(folder, saved.index))
    if indexed is None and not parts:
        return because(Why.CONTENTS_LACK, missing=saved.file)
    whole = _numbered(parts) if indexed is None else indexed
    return whole if isinstance(whole, Reason) else _all_there(whole | {saved.index}, names)


def siblings(tree: Tree, folder: str, shard: str) -> Weights | Reason:
    """All shards of the set that one of them names, by their numbers."""
    own = SHARD.fullmatch(shard)
    if own is None:
        return frozenset({shard})
    kin = "stem", "count", "variant", "ending"
    names = tree.names(folder)
    parts = [
        match
        for name in names
        if (match := SHARD.fullmatch(name)) and match.group(*kin) == own.group(*kin)
    ]
    index = Saved(own["stem"], own["ending"], own["variant"].removeprefix(".")).index
    indexed = _indexed(tree, joined(folder, index)) if index in names else None
    numbered = _numbered(parts or [own])
    whole = numbered if indexed is None else indexed
    if isinstance(whole, Reason):
        return whole
    if shard not in whole or (not isinstance(numbered, Reason) and not numbered <= whole):
        return because(Why.CONTENTS_INDEX, index=index, name=shard)
    return _all_there(whole | (names & {index}), names)


def _all_there(files: Weights, names: frozenset[str]) -> Weights | Reason:
    missing = min(files - names, default="")
    return because(Why.CONTENTS_LACK, missing=missing) if missing else files


def _numbered(parts: list[re.Match[str]]) -> frozenset[str] | Reason:
    """The names of a set: each number from the first to the last, as its shards are written."""
    parts = sorted(parts, key=re.Match.group)
    firsts = {part["count"]: part.group() for part in reversed(parts)}
    if len(firsts) != 1:
        return because(Why.CONTENTS_SETS, names=sorted(firsts.values()))
    count = int(parts[0]["count"])
    if not 0 < count <= SHARDS_MAX:
        return because(Why.CONTENTS_MANY, count=count, limit=SHARDS_MAX)
    numbers = {int(part["number"]) for part in parts}
    if 0 in numbers:
        # Some count from nought and end one short of the count, others do not.
        return because(Why.CONTENTS_UNREAD, name="*.index.json")
    if max(numbers) > count or len(numbers) != len(parts):
        return because(Why.CONTENTS_SETS, names=[part.group() for part in parts[:2]])
    return frozenset(shards(parts[0].group()) or (parts[0].group(),))  # one may be all


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
    indexed = frozenset(index.weight_map.values())
    odd = any("/" in shard or "\\" in shard or not shard for shard in indexed)
    if odd or not 0 < len(indexed) <= SHARDS_MAX:
        return because(Why.CONTENTS_UNREADABLE, name=name)
    return indexed


class _Index(msgspec.Struct):
    weight_map: dict[str, str]
