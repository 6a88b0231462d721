"""References: which places of a workflow name model files, and in which folder each belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from comfyfix.comfyui.folders import MODEL_EXTENSIONS, PACK_EXTENSIONS, folder_key, is_folder_key
from comfyfix.comfyui.graph import Node, Workflow, is_truthy
from comfyfix.comfyui.loaders import Loader, LoaderInput, Loaders, Rows
from comfyfix.records import Hint, Kind, Reference

EXTENSIONS = MODEL_EXTENSIONS | PACK_EXTENSIONS
VALUE_MAX = 400  # characters; a longer text is a prompt, not a file name
# Nodes whose strings are texts or names of files to be written, never models to load.
_NO_LOADER = re.compile(
    r"^(Save|Preview|Note|MarkdownNote|Reroute|Primitive|Show)|ModelSave|Save$|Saver$"
)


def references(workflow: Workflow, name: str, loaders: Loaders) -> list[Reference]:
    """Every reference of a workflow; `name` is the workflow's path relative to its root."""
    by_name: dict[str, Hint] = {}
    for hint in workflow.hints:
        by_name.setdefault(_path(hint.name), hint)
    found = []
    for node in workflow.nodes:
        own = {_path(hint.name): hint for hint in node.hints}
        loader = loaders.get(node.type)
        places = _of_loader(node, loader) if loader else _of_unknown(node)
        for place in places:
            path = _path(place.value)
            known = own.get(path) or by_name.get(path)
            folder, guessed = place.folder, False
            if folder is None and known and known.folder and is_folder_key(known.folder):
                folder, guessed = folder_key(known.folder), True
            found.append(
                Reference(
                    workflow=name,
                    node_id=node.id,
                    node_type=node.type,
                    input=place.input,
                    value=place.value,
                    name=path.rpartition("/")[2],
                    path=path,
                    folder=folder,
                    also=place.also,
                    kind=place.kind,
                    active=node.active and place.active,
                    optional=place.optional,
                    guessed=guessed,
                    hint=known,
                )
            )
    return found


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    input: str
    value: str
    folder: str | None
    also: tuple[str, ...] = ()
    kind: Kind = "file"
    active: bool = True
    optional: bool = False


def _path(value: str) -> str:
    return value.replace("\\", "/")


def _of_loader(node: Node, loader: Loader) -> Iterator[_Place]:
    used = node.value("", loader.count) if loader.count is not None else None
    for position, (name, entry) in enumerate(loader.inputs.items()):
        value = node.value(name, entry.index)
        kind = _kind(entry, value)
        if kind is None or not isinstance(value, str):
            continue
        switched_on = entry.switch is None or is_truthy(node.value("", entry.switch))
        counted = not isinstance(used, int) or position < used
        yield _Place(
            input=name,
            value=value,
            folder=entry.folder,
            also=entry.also,
            kind=kind,
            active=switched_on and counted,
            optional=entry.optional,
        )
    if loader.rows:
        yield from _of_rows(node, loader.rows)
    for pattern, folder in loader.pattern.items():
        for name, value in node.values():
            if re.match(pattern, name) and isinstance(value, str) and has_model_extension(value):
                yield _Place(input=name, value=value, folder=folder)


def _kind(entry: LoaderInput, value: Any) -> Kind | None:
    if not isinstance(value, str) or not value.strip() or len(value) > VALUE_MAX:
        return None
    if entry.kind in ("config", "label"):
        return None
    if entry.kind == "hub_repo":
        return "hub_repo" if re.fullmatch(r"[\w.-]+/[\w.-]+", value) else None
    if has_model_extension(value):
        return "embedding" if entry.folder == "embeddings" else "file"
    return "directory" if entry.kind in ("directory", "directory_or_file") else None


def _of_rows(node: Node, rows: Rows) -> Iterator[_Place]:
    for name, row in node.values():
        value = row.get(rows.name) if isinstance(row, Mapping) else None
        if not isinstance(row, Mapping) or not isinstance(value, str):
            continue
        if not has_model_extension(value):
            continue
        strengths = [row.get(key) for key in rows.strength if row.get(key) is not None]
        yield _Place(
            input=name,
            value=value,
            folder=rows.folder,
            active=is_truthy(row.get(rows.on)) and any(is_truthy(s) for s in strengths or [1]),
        )


def _of_unknown(node: Node) -> Iterator[_Place]:
    if _NO_LOADER.search(node.type):
        return
    for name, value in node.values():
        if isinstance(value, str) and has_model_extension(value):
            yield _Place(input=name, value=value, folder=None)


def has_model_extension(value: str) -> bool:
    """Tell whether a widget's string looks like the name of a model file."""
    if len(value) > VALUE_MAX or "\n" in value or "://" in value:
        return False
    dot = value.rfind(".")
    return dot > 0 and value[dot:].lower() in EXTENSIONS
