"""Methods and items of what a pack's own values are: texts and paths, lists, dicts, choices."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from comfyfix.comfyui.packs.choices import altered, below, globbed, inside, items, joined, opened
from comfyfix.comfyui.packs.registered import Registered
from comfyfix.comfyui.packs.values import (
    ITEMS_MAX,
    NAMES_MAX,
    UNKNOWN,
    Endings,
    FolderPaths,
    Listing,
    Registry,
    as_key,
)
from comfyfix.comfyui.store.keys import is_folder_key


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method returns, and the value in place of its owner where that is another one."""

    result: Any = UNKNOWN
    changed: Any = None


_ADDING = ("append", "add", "extend", "update", "insert", "setdefault", "appendleft")
_SAME = ("sort", "reverse", "copy", "strip", "resolve", "absolute", "expanduser", "as_posix",
         "replace", "lower", "upper", "casefold", "union", "difference", "intersection", "encode",
         "rstrip", "lstrip")  # fmt: skip
_SEPARATORS = ("/", "\\", "\\\\")
_LISTED = ("glob", "rglob", "iterdir")
_CUT = ("split", "rsplit", "partition", "rpartition", "with_suffix", "removesuffix", "with_name",
        "format", "title", "capitalize")  # fmt: skip


def has(owner: Any) -> bool:
    """Tell whether methods of a value are followed here."""
    return isinstance(owner, str | list | dict | Listing | FolderPaths | Endings | Registry)


def call(
    registered: Registered, owner: Any, name: str, arguments: list[Any], keywords: dict[str, Any]
) -> Outcome:
    """Call a method by its name."""
    first = arguments[0] if arguments else next(iter(keywords.values()), UNKNOWN)
    if name in _ADDING and arguments:
        if isinstance(owner, FolderPaths | Endings):
            _tell(registered, owner, name, arguments)
            return Outcome(None)
        if isinstance(owner, list | Listing):
            return _add(owner, name, arguments)
    if isinstance(owner, Registry):
        return Outcome(_of_registry(registered, name, arguments))
    if isinstance(owner, dict):
        return Outcome(_of_dict(owner, name, arguments, keywords))
    if isinstance(owner, str):
        return Outcome(_of_text(owner, name, arguments))
    if isinstance(owner, Listing):
        return Outcome(_of_listing(owner, name, first))
    if name in _LISTED and isinstance(owner, FolderPaths):
        return Outcome(globbed(owner.folder, first))
    return Outcome(owner if name in _SAME else UNKNOWN)


def attribute(owner: Any, name: str) -> Any:
    """An attribute of a path, or of a choice that is one."""
    if isinstance(owner, str):
        parts = {"parent": os.path.dirname(owner), "name": os.path.basename(owner)}
        parts["stem"], parts["suffix"] = os.path.splitext(parts["name"])
        if name == "parents":
            return _parents(owner)
        return parts.get(name, UNKNOWN)
    if isinstance(owner, Listing):
        if name == "name":
            return replace(owner, full=False)
        return owner if name == "path" else altered(owner)
    return UNKNOWN


def item(owner: Any, key: Any) -> Any:
    """What stands at a key or a place."""
    if isinstance(owner, Registry):
        return _entry(key) if isinstance(key, str) and is_folder_key(key) else UNKNOWN
    if isinstance(owner, dict):
        return owner.get(key, UNKNOWN) if isinstance(key, str | int | Listing) else UNKNOWN
    if isinstance(owner, list):
        if isinstance(key, int) and -len(owner) <= key < len(owner):
            return owner[key]
        return UNKNOWN
    if isinstance(owner, Listing):
        return replace(owner, one=True)
    return owner if isinstance(owner, FolderPaths) else UNKNOWN


def put(owner: Any, key: Any, value: Any) -> None:
    """Put a value at a key, or at a place that is there."""
    there = isinstance(owner, list) and isinstance(key, int) and -len(owner) <= key < len(owner)
    if there:
        owner[key] = value
    elif isinstance(owner, dict):
        owner[as_key(key)] = value


def _entry(key: str) -> list[Any]:
    return [FolderPaths(key, live=True), Endings(key)]


def _parents(path: str) -> list[str]:
    parents: list[str] = []
    while len(path) > 1 and len(parents) < 20:  # noqa: PLR2004 - deeper than any pack lies
        path = os.path.dirname(path)
        parents.append(path)
    return parents


def _tell(
    registered: Registered, owner: FolderPaths | Endings, name: str, arguments: list[Any]
) -> None:
    if isinstance(owner, Endings):
        for argument in arguments:
            registered.allow(owner, argument)
    elif owner.live:
        registered.add(owner.folder, arguments[-1], first=name == "insert" and arguments[0] == 0)


def _add(owner: list[Any] | Listing, name: str, arguments: list[Any]) -> Outcome:
    value = arguments[-1]
    more = value if name in ("extend", "update") else [value]
    if isinstance(owner, list):
        if len(owner) < ITEMS_MAX:
            owner.extend([more] if isinstance(more, Listing) else _more(more))
        return Outcome(None)
    return Outcome(None, joined(owner, [more] if isinstance(more, str) else more))


def _more(value: Any) -> list[Any]:
    return [UNKNOWN] if value is UNKNOWN else items(value)


def _of_registry(registered: Registered, name: str, arguments: list[Any]) -> Any:
    key = arguments[0] if arguments else UNKNOWN
    if name not in ("get", "setdefault", "pop") or not (
        isinstance(key, str) and is_folder_key(key)
    ):
        return UNKNOWN
    if registered.knows(key) or len(arguments) == 1:
        return _entry(key)
    default = arguments[1]
    if name == "setdefault":
        registered.put(key, default)
        return _entry(key)
    if isinstance(default, list) and len(default) > 1 and default[0] in ([], UNKNOWN):
        # Another pack may have it; what is added to the list is told to ComfyUI afterwards.
        return [[FolderPaths(key)], default[1]]
    return default


def _of_dict(
    owner: dict[Any, Any], name: str, arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    first = arguments[0] if arguments else UNKNOWN
    match name:
        case "update":
            owner.update(
                first if isinstance(first, dict) else {UNKNOWN: first} if arguments else {}
            )
            owner.update(keywords)
            return None
        case "copy":
            return dict(owner)
        case "keys":
            return items(owner)
        case "values":
            return list(owner.values())
        case "items":
            return [[key, value] for key, value in owner.items()]
        case "get" | "pop" | "setdefault":
            default = arguments[1] if len(arguments) > 1 else UNKNOWN
            if as_key(first) is UNKNOWN:
                if name == "setdefault":
                    owner[UNKNOWN] = default
                return UNKNOWN
            if name == "setdefault":
                return owner.setdefault(first, default)
            return owner.get(first, default)
        case _:
            return UNKNOWN


_PATHS = ("resolve", "absolute", "expanduser", "as_posix")
_TEXTS: dict[str, Callable[..., Any]] = {
    "lower": str.lower,
    "upper": str.upper,
    "casefold": str.casefold,
    "title": str.title,
    "capitalize": str.capitalize,
    "strip": str.strip,
    "replace": lambda text, old, new: text.replace(old, new) if old else UNKNOWN,
    "joinpath": os.path.join,
    "split": lambda text, by: text.split(by) if by else UNKNOWN,
    "removeprefix": str.removeprefix,
    "removesuffix": str.removesuffix,
    "with_name": lambda text, name: os.path.join(os.path.dirname(text), name),
}


def _of_text(owner: str, name: str, arguments: list[Any]) -> Any:
    if name in _LISTED:
        return globbed(owner, next(iter(arguments), "")) if owner.startswith("/") else UNKNOWN
    if name in _PATHS:
        return owner
    if name == "format" and all(isinstance(argument, str | int) for argument in arguments):
        for argument in arguments:
            owner = owner.replace("{}", str(argument), 1)[:ITEMS_MAX]
        return owner
    if name == "join":
        return _joined(owner, arguments)
    method = _TEXTS.get(name)
    if method is None or not all(isinstance(argument, str) for argument in arguments):
        return UNKNOWN
    with contextlib.suppress(TypeError):  # as many arguments as the method does not take
        result = method(owner, *arguments)
        return result[:ITEMS_MAX] if isinstance(result, str | list) else result
    return UNKNOWN


def _joined(by: str, arguments: list[Any]) -> Any:
    parts = arguments[0] if arguments and isinstance(arguments[0], list) else []
    texts = [part for part in parts[:NAMES_MAX] if isinstance(part, str)]
    return by.join(texts)[:ITEMS_MAX] if texts and len(texts) == len(parts) else UNKNOWN


def _replaced(owner: Listing, text: str) -> Listing:
    """A choice in which a text was replaced: a separator, the folder in front, or a part of it."""
    if owner.full and text.startswith("/"):
        return below(owner, text)
    return owner if text in _SEPARATORS else altered(owner)


def _of_listing(owner: Listing, name: str, first: Any) -> Any:
    if name in ("relative_to", "removeprefix"):
        return below(owner, first)
    if name == "replace" and isinstance(first, str):
        return _replaced(owner, first)
    if name in _LISTED:
        return replace(inside(owner), full=True, one=False)
    if name == "split" and first == "/":
        return [altered(owner), replace(owner, full=False)]
    if name in _CUT:
        return altered(owner)
    if name == "union":
        return opened(owner)
    return owner if name in _SAME else UNKNOWN
