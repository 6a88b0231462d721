"""What an expression of a node pack can come to, as far as reading tells."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

ITEMS_MAX = 4096  # of one list or text; so no pack can make one grow without end
NAMES_MAX = 64  # literal choices beside those of folders
NESTED_MAX = 2  # lists inside of lists of choices
OPENED_MAX = 4  # an input's choices in what INPUT_TYPES returns
SHARED = "*"
"""Among endings: those of the one set that the core's keys share."""


PLAIN_WALK = "\0"
"""Among endings: the pack looks into directories itself, where no set of ComfyUI's counts."""
_ENDING = re.compile(r"\.[A-Za-z0-9_.]{1,20}")


class _Unknown:
    """The one value of what reading can't tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


DIRECTORY = "/"
"""Stands among endings for the directories of a list."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of choices: those of model folders, and those that stand there literally.

    `folders` are keys, and directories by their absolute paths. `one` is a choice out of the list,
    inside a loop; `full` when choices are whole paths; `altered` when they are no path inside the
    folder any more; `prefix` what was put in front of them; `endings` are those that a condition of
    the pack leaves, in lower case (empty: all); `walked` when the pack looks into the directories
    of a key itself; `closed` when `names` are all that stands beside the files, as far as each step
    that led here could be read.
    """

    folders: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    altered: bool = False
    one: bool = False
    full: bool = False
    prefix: str = ""
    endings: tuple[str, ...] = ()
    walked: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class FolderPaths:
    """The directories of a model folder, or one of them; `live` is the list that ComfyUI uses."""

    folder: str
    live: bool = False


@dataclass(frozen=True, slots=True)
class Endings:
    """The set of endings that ComfyUI uses for a folder key; SHARED for the set of its own."""

    folder: str


@dataclass(frozen=True, slots=True)
class Registry:
    """`folder_paths.folder_names_and_paths`."""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of a pack, by a `def` or a `lambda`.

    `owner` is the class that it is a method of, `bound` the class that it is called on, `around`
    the names of the function that it stands in.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: Any
    owner: Class | None = None
    bound: Class | None = None
    around: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class of a pack, or an instance of one; `given` are attributes set from outside."""

    node: ast.ClassDef
    module: Any
    around: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the source."""
        return self.node.name


@dataclass(frozen=True, slots=True)
class Dotted:
    """Something outside the pack, by its dotted name: `folder_paths.get_filename_list`."""

    name: str

    @property
    def last(self) -> str:
        """The name after the last dot."""
        return self.name.rpartition(".")[2]

    def ends(self, *names: str) -> bool:
        """Tell whether it is one of these, however long the way to its module is."""
        return f".{self.name}".endswith(tuple(f".{name}" for name in names))


def as_key(value: Any) -> Any:
    """What stands for a value among the keys of a dict: UNKNOWN for what can't be told."""
    return value if isinstance(value, str | int | Listing) else UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """A call of ComfyUI's newer interface: `io.Combo.Input(…)`, `io.Schema(…)`."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)


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
    other = [item for item in flat if not isinstance(item, Listing | str | _Unknown)]
    if len({_kind(item) for item in lists}) > 1 or other:
        return [*names, *other, *lists][:ITEMS_MAX]
    found = _one_list(lists)
    every = (*found.names, *names)
    closed = found.closed and UNKNOWN not in flat and len(every) <= NAMES_MAX
    return replace(found, names=every[:NAMES_MAX], closed=closed)


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
    found = dict.fromkeys(ending for one in lists for ending in one.endings)
    return tuple(found)[:NAMES_MAX] if whole else ()


def with_endings(choices: Listing, endings: Sequence[str]) -> Listing:
    """Those choices that end in one of some texts."""
    told = tuple(dict.fromkeys(ending.lower() for ending in endings))[:NAMES_MAX]
    known = inside(choices).endings
    both = tuple(one for one in told if one.endswith(known or ("",)))
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
    found = Listing((folder,), full=True, walked=True, closed=True)
    ending = pattern.rpartition("*")[2] if isinstance(pattern, str) else ""
    return with_endings(found, [ending]) if _ENDING.fullmatch(ending) else found


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
    found = [replace(one, altered=True) for one in listings(value)]
    return found[0] if len(found) == 1 else found


def opened(value: Any, depth: int = 0) -> Any:
    """A value beside whose choices there may be some that were not read."""
    if isinstance(value, Listing):
        return replace(value, closed=False) if value.closed else value
    if depth > OPENED_MAX:
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
            told = joined(best, value)
            best = best if told is UNKNOWN or best is value else told
    return best


def _of_lists(value: Any, best: Any) -> bool:
    both = isinstance(value, list) and isinstance(best, list)
    return both and bool(listings(value) or listings(best) or UNKNOWN in best)
