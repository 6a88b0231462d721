"""Calls of what lies outside a pack: ComfyUI's folder_paths, paths, walks through folders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from comfyfix.comfyui.packs.asking import LOOP_MAX, Asked
from comfyfix.comfyui.packs.choices import (
    altered,
    below,
    globbed,
    inside,
    items,
    listings,
    with_endings,
)
from comfyfix.comfyui.packs.source import Module
from comfyfix.comfyui.packs.values import (
    DIRECTORY,
    ITEMS_MAX,
    SHARED,
    UNKNOWN,
    Declared,
    Dotted,
    Endings,
    FolderPaths,
    Function,
    Listing,
    Registry,
)
from comfyfix.comfyui.store.keys import is_folder_key

_PASSED_ON = ("list", "sorted", "set", "tuple", "reversed", "natsorted", "os_sorted", "frozenset",
              "deepcopy", "copy", "unique", "fromkeys", "run", "iter", "staticmethod",
              "classmethod")  # fmt: skip
_OF_KEYS = ("list", "sorted", "set", "tuple", "reversed", "natsorted", "iter", "frozenset")
"""Of these, what gives the keys of a dict."""
_LISTED = ("listdir", "recursive_search", "scandir", "filter_files_extensions",
           "filter_files_content_types")  # fmt: skip
_FULL = ("glob", "iglob")
_PATHS = ("str", "Path", "PurePath", "abspath", "realpath", "normpath", "normcase", "expanduser",
          "fspath")  # fmt: skip
_DIRECTORIES = {"get_output_directory": "output", "get_input_directory": "input",
                "get_temp_directory": "temp", "get_user_directory": "user"}  # fmt: skip


def constant(constants: Mapping[str, str], dotted: Dotted) -> Any:
    """The value of a name of ComfyUI's modules, else the name itself."""
    if dotted.last == "sep" and dotted.ends("os.sep", "os.path.sep"):
        return "/"
    if not dotted.ends("folder_paths." + dotted.last):
        return dotted
    if dotted.last == "folder_names_and_paths":
        return Registry()
    if dotted.last == "supported_pt_extensions":
        return Endings(SHARED)
    return constants.get(f"folder_paths.{dotted.last}", dotted)


def call(
    asked: Asked, module: Module, called: Dotted, arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    """What a call returns, or UNKNOWN. Raises Spent."""
    last = called.last
    first = arguments[0] if arguments else next(iter(keywords.values()), UNKNOWN)
    for reader in (_of_folders, _of_paths, _of_builtins):
        value = reader(asked, last, arguments, keywords)
        if value is not None:
            return value
    if last in ("Input", "Schema"):
        return Declared(called.name, tuple(arguments), keywords)
    if last in ("INPUT_TYPES", "define_schema"):
        return core_class(asked, called)
    if last == "import_module" and isinstance(first, str):
        return asked.found(module, first)
    return UNKNOWN


# Each of these answers None for a call that it does not know.


def _of_folders(asked: Asked, last: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """ComfyUI's folder_paths."""
    given = [*arguments, *keywords.values()]
    key = given[0] if given else UNKNOWN
    if last in ("get_filename_list", "get_folder_paths"):
        if not isinstance(key, str) or not is_folder_key(key):
            return UNKNOWN
        return Listing((key,), closed=True) if last == "get_filename_list" else FolderPaths(key)
    if last == "add_model_folder_path" and len(given) > 1:
        default = keywords.get("is_default", arguments[2] if len(arguments) > 2 else False)  # noqa: PLR2004
        asked.registered.add(key, given[1], first=default is True)
        return UNKNOWN
    if last in _DIRECTORIES and not arguments:
        return f"{asked.constants['folder_paths.base_path']}/{_DIRECTORIES[last]}"
    return None


def _of_paths(asked: Asked, last: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """Paths, and walks through folders."""
    first = arguments[0] if arguments else UNKNOWN
    if last == "join" or last in _PATHS:
        return path_of(arguments)
    if last == "dirname":
        if isinstance(first, Listing) and not first.full:
            return altered(first)  # of a name the folder inside
        return os.path.dirname(first) if isinstance(first, str) else _unless(first)
    if last in _LISTED:
        files = _listed(first)
        ends = asked.registered.texts(arguments[1]) if len(arguments) > 1 else None
        if last == "filter_files_extensions" and ends and isinstance(files, Listing):
            return with_endings(files, ends)
        return files
    if last == "walk":
        return _walked(first)
    if last in _FULL:
        return _globbed(first)
    if last == "relpath" and isinstance(first, Listing):
        return below(first, arguments[1] if len(arguments) > 1 else keywords.get("start", UNKNOWN))
    if last == "basename":
        if isinstance(first, str):
            return os.path.basename(first)
        return replace(first, full=False) if isinstance(first, Listing) else UNKNOWN
    if last == "splitext":
        if isinstance(first, str):
            return list(os.path.splitext(first))
        return [altered(first), UNKNOWN] if isinstance(first, Listing) else UNKNOWN
    return None


def _of_builtins(asked: Asked, last: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    first = arguments[0] if arguments else UNKNOWN
    if last in _OF_KEYS and isinstance(first, dict):
        return list(first)
    if last in _PASSED_ON:
        return _passed_on(first) if arguments else []
    if last == "getattr" and len(arguments) > 1 and isinstance(first, Dotted):
        name = arguments[1]
        attribute = Dotted(f"{first.name}.{name}")
        return constant(asked.constants, attribute) if isinstance(name, str) else UNKNOWN
    if last == "dict":
        known = first if isinstance(first, dict) else {UNKNOWN: first} if arguments else {}
        return {**known, **keywords}
    if last in ("map", "filter") and len(arguments) > 1:
        return _each(asked, last, first, arguments[1])
    if last == "next":
        found = items(first)
        return found[0] if found else (arguments[1] if len(arguments) > 1 else UNKNOWN)
    if last == "enumerate":
        return [[number, item] for number, item in enumerate(items(first)[:LOOP_MAX])]
    if last == "zip":
        return [list(row) for row in zip(*map(items, arguments), strict=False)][:LOOP_MAX]
    if last == "range":
        numbers = [a for a in arguments if isinstance(a, int)][:3]
        whole = 0 < len(numbers) == len(arguments) and 0 not in numbers[2:]
        return list(range(*numbers)[:LOOP_MAX]) if whole else UNKNOWN
    if last == "len":
        return len(first) if isinstance(first, list) and not listings(first) else UNKNOWN
    if last in ("chain", "from_iterable"):
        return [item for argument in arguments for item in items(argument)][:ITEMS_MAX]
    return None


def path_of(parts: list[Any]) -> Any:
    """Parts of a path put together: a text where all are, else the choice that is its end."""
    if parts and all(isinstance(part, str) for part in parts):
        whole = os.path.join(*parts)
        return (os.path.normpath(whole) if whole.startswith("/") else whole)[:ITEMS_MAX]
    end = parts[-1] if parts else UNKNOWN
    if isinstance(end, Listing):
        return end if len(parts) == 1 or end.full else replace(end, full=True)
    return _unless(end) if len(parts) == 1 else UNKNOWN


def _unless(value: Any) -> Any:
    return value if isinstance(value, FolderPaths | Listing) else UNKNOWN


def _passed_on(value: Any) -> Any:
    if isinstance(value, Listing):
        return replace(value, one=False)
    return list(value) if isinstance(value, list) else value


def _listed(place: Any) -> Any:
    """The names in a folder, or what is left of a list of them."""
    if isinstance(place, Listing):
        return replace(inside(place), one=False)
    if isinstance(place, str):
        place = os.path.normpath(place)
        return Listing((place,), closed=True) if place.startswith("/") else UNKNOWN
    lists = [Listing((one.folder,), walked=True, closed=True) for one in _folders(place)]
    return lists[0] if len(lists) == 1 else lists or UNKNOWN


def _walked(place: Any) -> Any:
    """What a walk gives: a directory, the directories in it, and the files."""
    files = _listed(place)
    if files is UNKNOWN:
        return UNKNOWN
    inner = [replace(one, endings=(DIRECTORY,)) for one in listings(files)]
    each = replace(inner[0], full=True, one=True) if isinstance(files, Listing) else UNKNOWN
    return [[each, inner[0] if len(inner) == 1 else inner, files]]


def _folders(place: Any) -> list[FolderPaths]:
    several = place if isinstance(place, list) else [place]
    return [one for one in several if isinstance(one, FolderPaths)]


def _globbed(pattern: Any) -> Any:
    if not isinstance(pattern, str) or not pattern.startswith("/"):
        return UNKNOWN
    plain, star, _ = pattern.partition("*")
    return globbed(os.path.dirname(plain), pattern) if star else UNKNOWN


def _each(asked: Asked, kind: str, function: Any, over: Any) -> Any:
    if kind == "filter":
        return _passed_on(over)
    if not isinstance(function, Function):
        called = function if isinstance(function, Dotted) else None
        return [path_of([item]) for item in items(over)] if called and called.last in _PATHS else (
            UNKNOWN)  # fmt: skip
    return [asked.call(function, [item], {}) for item in items(over)[:LOOP_MAX]]


def core_class(asked: Asked, called: Dotted) -> Any:
    """What the table knows of the inputs of a class of the core whose source is not there."""
    loader = asked.core.get(called.name.split(".")[-2])
    if loader is None:
        return UNKNOWN
    inputs = {
        name: [Listing((entry.folder, *entry.also))]
        for name, entry in loader.inputs.items()
        if entry.folder
    }
    return {"required": inputs, "optional": {}}
