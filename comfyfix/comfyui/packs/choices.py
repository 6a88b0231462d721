"""Lists of choices of a node pack: put together, narrowed, altered, and which of several counts."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from comfyfix.comfyui.packs.values import (
    DIRECTORY,
    ITEMS_MAX,
    NAMES_MAX,
    NESTED_MAX,
    UNKNOWN,
    Dotted,
    FolderPaths,
    Listing,
    Unknown,
)

_OPENED_MAX = 4  # an input's choices in what INPUT_TYPES returns
_ENDING = re.compile(r"\.[A-Za-z0-9_.]{1,20}")


def joined(left: Any, right: Any) -> Any:
    """`left + right` of texts, numbers and lists of choices."""
    if isinstance(left, str) and isinstance(right, str):
        return (left + right)[:ITEMS_MAX]
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, Listing) and left.one and isinstance(right, str):
        return replace(left, altered=True)
    if isinstance(left, str) and isinstance(right, Listing) and right.one:
        return _prefixed(left, right)
    lists = [[side] if isinstance(side, FolderPaths) else side for side in (left, right)]
    if all(isinstance(side, list) for side in lists):
        return [*lists[0], *lists[1]][:ITEMS_MAX]
    if isinstance(left, Listing) or isinstance(right, Listing):
        return _all_of(left, right)
    return UNKNOWN


def _prefixed(text: str, one: Listing) -> Listing:
    if one.full or one.altered or not text.endswith("/"):
        return replace(one, altered=True)
    return replace(one, prefix=text + one.prefix)


def _all_of(left: Any, right: Any) -> Any:
    """Choices and what else is in a list; those of different kinds stay side by side."""
    flat = [item for side in (left, right) for item in (side if isinstance(side, list) else [side])]
    lists = [item for item in flat if isinstance(item, Listing)]
    names = tuple(item for item in flat if isinstance(item, str))
    other = [item for item in flat if not isinstance(item, Listing | str | Unknown)]
    if len({_kind(item) for item in lists}) > 1 or other:
        return [*names, *other, *lists][:ITEMS_MAX]
    joined_list = _one_list(lists)
    every = (*joined_list.names, *names)
    closed = joined_list.closed and UNKNOWN not in flat and len(every) <= NAMES_MAX
    return replace(joined_list, names=every[:NAMES_MAX], closed=closed)


def _kind(choices: Listing) -> tuple[bool, bool, str]:
    return choices.altered, choices.full, choices.prefix


def _one_list(lists: Iterable[Listing]) -> Listing:
    first, *rest = lists
    folders = dict.fromkeys(key for one in (first, *rest) for key in one.folders)
    names = dict.fromkeys(name for one in (first, *rest) for name in one.names)
    return replace(
        first,
        folders=tuple(folders),
        names=tuple(names)[:NAMES_MAX],
        one=False,
        endings=all_endings([first, *rest]),
        walked=any(one.walked for one in (first, *rest)),
        closed=all(one.closed for one in (first, *rest)) and len(names) <= NAMES_MAX,
    )


def all_endings(lists: Sequence[Listing]) -> tuple[str, ...]:
    """The endings of several lists together; none where one of them takes any."""
    whole = all(one.endings for one in lists)
    endings = dict.fromkeys(ending for one in lists for ending in one.endings)
    return tuple(endings)[:NAMES_MAX] if whole else ()


def with_endings(choices: Listing, endings: Sequence[str]) -> Listing:
    """Those choices that end in one of some texts."""
    lowered = tuple(dict.fromkeys(ending.lower() for ending in endings))[:NAMES_MAX]
    known = inside(choices).endings
    both = tuple(one for one in lowered if one.endswith(known or ("",)))
    return replace(choices, endings=both or known)


def inside(choices: Listing) -> Listing:
    """What lies in the directories of a list: these may be files."""
    return replace(choices, endings=tuple(one for one in choices.endings if one != DIRECTORY))


def below(choices: Listing, base: Any) -> Listing:
    """Whole paths, told from a directory on."""
    if not choices.full:
        return choices
    place = choices.folders[0] if len(choices.folders) == 1 else ""
    if isinstance(base, str) and place.startswith("/") and place != base.rstrip("/"):
        inner = place.startswith(f"{base.rstrip('/')}/")
        prefix = f"{place[len(base.rstrip('/')) + 1 :]}/"
        return replace(choices, full=False, prefix=prefix) if inner else altered(choices)
    return replace(choices, full=False)


def globbed(folder: str, pattern: Any) -> Listing:
    """What a pattern finds in a folder: `*.pth` says an ending."""
    files = Listing((folder,), full=True, walked=True, closed=True)
    ending = pattern.rpartition("*")[2] if isinstance(pattern, str) else ""
    return with_endings(files, [ending]) if _ENDING.fullmatch(ending) else files


def listings(value: Any, depth: int = 0) -> list[Listing]:
    """The lists of folders that a value holds."""
    if isinstance(value, Listing):
        return [value]
    if isinstance(value, FolderPaths):
        return [Listing((value.folder,), full=True, walked=True)]
    if isinstance(value, list | tuple | dict) and depth < NESTED_MAX:
        return [found for item in value for found in listings(item, depth + 1)][:ITEMS_MAX]
    return []


def items(value: Any) -> list[Any]:
    """What a loop over a value would give; of a folder's files just that there are some."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, dict):
        return list(value)
    if isinstance(value, Listing):
        return [replace(value, one=True, names=()), *value.names]
    return [value] if isinstance(value, FolderPaths) else []


def altered(value: Any) -> Any:
    """The choices of a folder after their names were changed."""
    lists = [replace(one, altered=True) for one in listings(value)]
    return lists[0] if len(lists) == 1 else lists


def opened(value: Any, depth: int = 0) -> Any:
    """A value beside whose choices there may be some that were not read."""
    if isinstance(value, Listing):
        return replace(value, closed=False) if value.closed else value
    if depth > _OPENED_MAX:
        return value
    if isinstance(value, list):
        parts = [opened(item, depth + 1) for item in value]
        return parts if any(map(operator.is_not, parts, value)) else value
    if isinstance(value, dict):
        pairs = [(opened(key), opened(item, depth + 1)) for key, item in value.items()]
        same = all(
            key is k and item is v for (key, item), (k, v) in zip(pairs, value.items(), strict=True)
        )
        return value if same else dict(pairs)
    return value


def either(values: Iterable[Any]) -> Any:
    """Of several possible values all choices, else the one that says most."""
    options = list(values)
    best = _best(options)
    choices = (Listing, list)
    whole = len(options) == 1 or all(isinstance(option, choices) for option in options)
    return best if whole or _are_apart(options) else opened(best)


def _are_apart(options: list[Any]) -> bool:
    """Tell whether these are dicts of which none has another value for a key of one before."""
    seen: dict[Any, Any] = {}
    for option in options:
        if not isinstance(option, dict):
            return False
        if any(seen.get(key, value) is not value for key, value in option.items()):
            return False
        seen.update(option)
    return True


def _best(options: Iterable[Any]) -> Any:
    best: Any = UNKNOWN
    choices = (Listing, FolderPaths)
    for value in options:
        if best is UNKNOWN or best is None or (best in ([], "", {}) and value is not UNKNOWN):
            best = value if value is not UNKNOWN else best
        elif isinstance(value, dict) and isinstance(best, dict):
            best = {**value, **best}
        elif isinstance(value, Dotted) and value.name.startswith("folder_paths."):
            best = value if isinstance(best, Dotted) else best  # a fork's may not be there
        elif isinstance(value, choices) or isinstance(best, choices) or _of_lists(value, best):
            both = joined(best, value)
            best = best if both is UNKNOWN or best is value else both
    return best


def _of_lists(value: Any, best: Any) -> bool:
    both = isinstance(value, list) and isinstance(best, list)
    return both and bool(listings(value) or listings(best) or UNKNOWN in best)
