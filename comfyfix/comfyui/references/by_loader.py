"""The models that a node names whose class the table of loaders knows."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from comfyfix.comfyui.loaders.table import Loader, LoaderInput, Rows, Widget
from comfyfix.comfyui.references import air
from comfyfix.comfyui.references.places import (
    NESTED_MAX,
    VALUE_MAX,
    Place,
    has_model_extension,
    is_constant,
    is_nothing,
    plain_path,
    with_extension,
)
from comfyfix.comfyui.workflows.graph import ABSENT, Node, Values, chosen, is_truthy
from comfyfix.endings import stem
from comfyfix.records import Kind

_OTHER = ("config", "label", "hub_repo")
"""Kinds of inputs that choose no file of a model folder."""


def places(node: Node, values: Values, loader: Loader) -> Iterator[Place]:
    """Every model that the inputs, rows and patterned inputs of a loader name."""
    named = list(_of_inputs(node, loader))
    if not any(_is_plain(place) for place in named) and not (node.whole and named):
        named = list(_of_other_version(node, values, loader)) or named
    yield from named
    if loader.rows:
        yield from _of_rows(values, loader.rows)
    for pattern, folder in loader.pattern.items():
        entry = LoaderInput(folder=folder)
        for name, value in values:
            if re.match(pattern, name) and (kind := _kind(entry, value)):
                yield Place(input=name, value=value, folder=folder, kind=kind)


def _is_plain(place: Place) -> bool:
    """Tell whether a value is one that an input of this kind usually holds."""
    return place.kind != "file" or bool(place.files) or has_model_extension(place.value)


def _of_other_version(node: Node, values: Values, loader: Loader) -> Iterator[Place]:
    """Files in a loader whose widgets are not where the table has them: packs move them about.

    Only where every input looks in one folder, and no link decides what an input holds.
    """
    entries = [(name, entry) for name, entry in loader.inputs.items() if entry.kind == "file"]
    if len({entry.folder for _, entry in entries}) != 1 or set(loader.inputs) & set(node.given):
        return
    name, entry = entries[0]
    for _, value in values:
        if isinstance(value, str) and has_model_extension(value):
            yield Place(
                input=name,
                value=value,
                folder=entry.folder,
                also=entry.also,
                optional=entry.optional,
                listed=entry.listed,
            )


def _of_inputs(node: Node, loader: Loader) -> Iterator[Place]:
    used = _read(node, loader.count)
    for position, (name, entry) in enumerate(loader.inputs.items()):
        refused = _refused(node, name, entry)
        value = node.value(name, entry.index) if refused is None else refused
        if isinstance(value, str) and value in entry.sets:
            whole_set = entry.sets[value]
            yield Place(input=name, value=value, folder=whole_set.folder, files=whole_set.files)
            continue
        kind = _kind(entry, value) if refused is None else "file"
        if kind is None or not isinstance(value, str):
            continue
        switch = _read(node, entry.switch)
        counted = not isinstance(used, int) or position < used
        folder, path = _behind_prefix(entry, plain_path(value))
        also = _also(entry, plain_path(value))
        own = next((key for key in also if stem(value) in entry.begins.get(key, ())), None)
        yield Place(
            input=name,
            value=value,
            folder=folder or own or entry.folder,
            also=() if folder or own else also,
            path=path,
            files=(path,) if path else (air.file_name(value),) if air.is_air(value) else (),
            kind=kind,
            active=counted and (switch is None or is_truthy(switch)),
            optional=entry.optional,
            listed=entry.listed,
            endings=entry.endings,
            reads=entry.reads,
            variant=entry.variant,
            repo=entry.repo(plain_path(value)) if kind == "directory" else "",
        )


def _behind_prefix(entry: LoaderInput, path: str) -> tuple[str | None, str | None]:
    """The folder and name of a value in front of whose name another folder is told."""
    for prefix, folder in entry.prefixed.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            return folder, path[len(prefix) :]
    return None, None


def _refused(node: Node, name: str, entry: LoaderInput) -> str | None:
    """What no list of names can hold, as it is written in the file; None for all else.

    ComfyUI holds null, numbers, lists and objects against the list as it does names. That a value
    is nothing at all counts where the file tells each input, or the core's own list is known.
    """
    chooses = entry.listed and not entry.optional and entry.kind not in _OTHER
    if not chooses or entry.folder is None or name in node.given:
        return None
    value = node.own(name, entry.index)
    if entry.offers is None and (value is ABSENT or not node.whole):
        return None
    if not (entry.offers is not None or entry.closed) or not node.whole:
        value = chosen(value)  # lists of pictures are made by a pack itself
    if value is ABSENT:
        return "" if node.whole else None
    if isinstance(value, str):
        return value if node.whole and not value.strip() and value not in entry.names else None
    with contextlib.suppress(TypeError, ValueError):
        return json.dumps(value, ensure_ascii=False)[:VALUE_MAX]
    return None


def _also(entry: LoaderInput, path: str) -> tuple[str, ...]:
    """The further folders in which a file of this name would be listed."""
    return tuple(
        key for key in entry.also if key not in entry.begins or path.startswith(entry.begins[key])
    )


def _read(node: Node, widget: Widget | None) -> Any:
    return node.value(widget.name, widget.index) if widget else None


def _kind(entry: LoaderInput, value: Any) -> Kind | None:
    """What a value of an input names; None for what is no model."""
    if not isinstance(value, str) or _is_offered(entry, value):
        return None
    if entry.kind in ("config", "label"):
        return None
    if entry.kind == "hub_repo":
        return "hub_repo" if re.fullmatch(r"[\w.-]+/[\w.-]+", value) else None
    if has_model_extension(value) or (entry.endings and value.lower().endswith(entry.endings)):
        return "embedding" if entry.folder == "embeddings" else "file"
    if entry.kind in ("directory", "directory_or_file"):
        return "directory" if len(value) <= VALUE_MAX else None
    # What its node fetches may bear any name; elsewhere it is a name that no file can have, or one
    # with an ending of its pack.
    return None if entry.optional or entry.folder is None else "file"


def _is_offered(entry: LoaderInput, value: str) -> bool:
    """Tell what an input lists beside files; of packs it is known what they usually offer."""
    if entry.offers is not None:
        return value in entry.offers
    named = value in entry.names and not has_model_extension(value)
    return named or (is_constant(value) and not (entry.closed and entry.listed))


def _of_rows(values: Values, rows: Rows) -> Iterator[Place]:
    for name, value in values:
        for row in _rows(value, rows.name):
            place = _of_row(name, row, rows)
            if place:
                yield place


def _rows(value: Any, name: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The rows in a widget: itself, or in the lists and mappings that it holds."""
    if isinstance(value, Mapping) and isinstance(value.get(name), str):
        yield value
    elif depth < NESTED_MAX and isinstance(value, list | Mapping):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _rows(inner, name, depth + 1)


def _of_row(name: str, row: Mapping[str, Any], rows: Rows) -> Place | None:
    value = row[rows.name]
    if is_nothing(value):
        return None
    strengths = [row.get(key) for key in rows.strength if row.get(key) is not None]
    return Place(
        input=name,
        value=value,
        folder=rows.folder,
        files=_files(value),
        active=is_truthy(row.get(rows.on)) and any(is_truthy(s) for s in strengths or [1]),
        listed=False,
        by_name=True,
    )


def _files(value: str) -> tuple[str, ...]:
    if air.is_air(value):
        return (air.file_name(value),)
    return () if has_model_extension(value) else with_extension(value)
