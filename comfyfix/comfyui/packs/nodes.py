"""The inputs that a node class declares: which of them choose from a model folder, and where
their value stands among the widgets.

Two ways of declaring: `INPUT_TYPES`, a dict of tuples, and `define_schema`, a tree of objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from comfyfix.comfyui.loaders.table import Loader, LoaderInput
from comfyfix.comfyui.packs.choices import all_endings, listings
from comfyfix.comfyui.packs.evaluate import Evaluator
from comfyfix.comfyui.packs.outside import core_class
from comfyfix.comfyui.packs.values import (
    DIRECTORY,
    NAMES_MAX,
    PLAIN_WALK,
    UNKNOWN,
    Class,
    Declared,
    Dotted,
    FolderPaths,
    Function,
    Listing,
)

_WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
_DECLARED_WIDGETS = frozenset({"Int", "Float", "String", "Boolean", "Combo", "MultiCombo", "Color"})
_SEEDS = ("seed", "noise_seed")
# Their values are lists of what the user has uploaded; the button is a widget of its own.
_UPLOADS = ("image_upload", "video_upload", "audio_upload", "animated_image_upload")
INPUTS_MAX = 500
FOLDERS_MAX = 20  # of one input


@dataclass(frozen=True, slots=True)
class _Input:
    """One declared input. `names` are choices beside files that stand there literally, `closed` if
    there are no others; `widgets` is how many values it takes in the file (None: not known)."""

    name: str
    choices: tuple[Listing, ...]
    widgets: int | None
    names: tuple[str, ...] = ()
    closed: bool = False


def schema_of(evaluator: Evaluator, owner: Class) -> tuple[str, Loader]:
    """The name that a class gives itself (empty if none), and its inputs that name models."""
    declared = _called(evaluator, owner, "INPUT_TYPES")
    if isinstance(declared, dict):
        return "", _unchecked(evaluator, owner, "VALIDATE_INPUTS", _loader(_of_types(declared)))
    declared = _called(evaluator, owner, "define_schema")
    if isinstance(declared, Declared):
        node_id = declared.keywords.get("node_id", "")
        inputs = declared.keywords.get("inputs", [])
        name = node_id if isinstance(node_id, str) else ""
        loader = _loader(_of_schema(inputs if isinstance(inputs, list) else []))
        return name, _unchecked(evaluator, owner, "validate_inputs", loader)
    return "", Loader()


def _unchecked(evaluator: Evaluator, owner: Class, name: str, loader: Loader) -> Loader:
    """What a class looks at itself before a run, ComfyUI holds against no list."""
    check = evaluator.attribute(owner, name) if loader.inputs else UNKNOWN
    if not isinstance(check, Function):
        return loader
    taken = check.node.args
    own = {each.arg for each in (*taken.posonlyargs, *taken.args)}
    inputs = {
        each: msgspec.structs.replace(entry, listed=not (taken.kwarg or each in own))
        for each, entry in loader.inputs.items()
    }
    return Loader(inputs=inputs)


def _called(evaluator: Evaluator, owner: Class, name: str) -> Any:
    method = evaluator.attribute(owner, name)
    if isinstance(method, Dotted):  # of a class of the core whose source is not there
        return core_class(evaluator, method)
    return evaluator.call(method, [], {}) if isinstance(method, Function) else method


def _loader(inputs: Iterator[_Input]) -> Loader:
    inputs_by_name: dict[str, LoaderInput] = {}
    index: int | None = 0
    for number, declared in enumerate(inputs):
        if number >= INPUTS_MAX:
            break
        entry = _entry(declared, index)
        if entry.folder or entry.prefixed:
            inputs_by_name[declared.name] = entry
        if declared.widgets is None:
            index = None
        elif index is not None:
            index += declared.widgets
    return Loader(inputs=inputs_by_name)


def _kind(
    files: tuple[str, ...], endings: tuple[str, ...]
) -> Literal["file", "directory", "directory_or_file"]:
    if files == endings:
        return "file"
    return "directory_or_file" if files else "directory"


def _entry(declared: _Input, index: int | None) -> LoaderInput:
    """The folders of choices that are paths inside of them, as the pack says them."""
    whole = [one for one in declared.choices if not (one.altered or one.full)]
    folders = list(dict.fromkeys(key for one in whole if not one.prefix for key in one.folders))
    prefixed = {one.prefix: one.folders[0] for one in whole if one.prefix and one.folders}
    endings = all_endings(whole)
    files = tuple(ending for ending in endings if ending != DIRECTORY)
    return LoaderInput(
        folder=folders[0] if folders else None,
        also=tuple(folders[1:FOLDERS_MAX]),
        index=index,
        kind=_kind(files, endings),
        endings=(*_walked(whole), *files),
        prefixed=prefixed,
        names=declared.names,
        closed=declared.closed,
    )


def _walked(choices: list[Listing]) -> tuple[str, ...]:
    return (PLAIN_WALK,) if any(one.walked for one in choices) else ()


def _of_types(types: dict[Any, Any]) -> Iterator[_Input]:
    for part in ("required", "optional"):
        entries = types.get(part)
        for name, entry in (entries if isinstance(entries, dict) else {}).items():
            if not isinstance(name, str):
                yield _Input("", (), None)
                continue
            parts = entry if isinstance(entry, list) else [entry]
            kind = parts[0] if parts else UNKNOWN
            options = parts[1] if len(parts) > 1 and isinstance(parts[1], dict) else {}
            if isinstance(entry, Listing):  # the comma of the tuple is forgotten: (list)
                kind = entry
            given = options.get("options", UNKNOWN) if kind == "COMBO" else kind
            widgets = _widgets(name, kind, options)
            yield _Input(name, _choices(given), widgets, _names(given), _is_closed(given))


def _choices(value: Any) -> tuple[Listing, ...]:
    return tuple(listings(value)) if isinstance(value, Listing | list | dict | FolderPaths) else ()


def _names(value: Any) -> tuple[str, ...]:
    """What stands in a list of choices literally."""
    names = [name for one in listings(value) for name in one.names]
    names += [item for item in (value if isinstance(value, list) else ()) if isinstance(item, str)]
    return tuple(dict.fromkeys(names))[:NAMES_MAX]


def _is_closed(value: Any) -> bool:
    """Tell whether all of a list of choices was read: files as they are, and what stands there."""
    parts = value if isinstance(value, list) else [value]
    lists = [part for part in parts if isinstance(part, Listing)]
    plain = all(one.closed and not (one.altered or one.full or one.prefix) for one in lists)
    other = len(parts) - len(lists) - sum(isinstance(part, str) for part in parts)
    return bool(lists) and plain and not other and len(_names(value)) < NAMES_MAX


def _widgets(name: str, kind: Any, options: dict[Any, Any]) -> int | None:
    if kind is UNKNOWN:
        return None
    if options.get("forceInput") or options.get("rawLink"):
        return 0
    if isinstance(kind, str):
        if kind not in _WIDGETS:
            return 0
    elif not isinstance(kind, Listing | list | dict | FolderPaths):
        return 0
    controlled = options.get("control_after_generate")
    seeded = name in _SEEDS and kind == "INT" and controlled is not False
    uploads = any(options.get(key) for key in _UPLOADS)
    return 1 + bool(seeded or controlled is True) + uploads


def _of_schema(inputs: list[Any]) -> Iterator[_Input]:
    for declared in inputs:
        if not isinstance(declared, Declared):
            yield _Input("", (), None)
            continue
        kind = declared.name.split(".")[-2] if "." in declared.name else ""
        name = declared.keywords.get("id", declared.arguments[0] if declared.arguments else "")
        options = declared.keywords
        given: Any = UNKNOWN
        if kind in ("Combo", "MultiCombo"):
            given = options.get("options")
            if given is None and len(declared.arguments) > 1:
                given = declared.arguments[1]
        widgets = _declared_widgets(str(name), kind, options)
        yield _Input(str(name), _choices(given), widgets, _names(given), _is_closed(given))


def _declared_widgets(name: str, kind: str, options: dict[str, Any]) -> int | None:
    if kind.startswith("Dynamic") or kind in ("Autogrow", "MultiType", ""):
        return None
    if kind not in _DECLARED_WIDGETS or options.get("force_input"):
        return 0
    controlled = options.get("control_after_generate")
    seeded = name in _SEEDS and kind == "Int" and controlled is not False
    return 1 + bool(seeded or controlled is True)
