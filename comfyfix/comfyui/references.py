"""References: which places of a workflow name model files, and in which folder each belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from comfyfix.comfyui import guess
from comfyfix.comfyui.folders import MODEL_EXTENSIONS, PACK_EXTENSIONS, folder_key, is_folder_key
from comfyfix.comfyui.graph import Node, Workflow, is_truthy
from comfyfix.comfyui.loaders import Loader, LoaderInput, Loaders, Rows
from comfyfix.records import Hint, Kind, Reference

EXTENSIONS = MODEL_EXTENSIONS | PACK_EXTENSIONS
VALUE_MAX = 400  # characters; a longer text is a prompt, not a file name
PROMPT_MAX = 1 << 20  # characters of one text in which embeddings are looked for
NESTED_MAX = 6  # levels of lists and mappings inside one widget
# Nodes whose strings are texts or names of files to be written, never models to load.
_NO_LOADER = re.compile(
    r"^(Save|Preview|Note|MarkdownNote|Reroute|Primitive|Show|[SG]etNode|easy [sg]etNode)"
    r"|ModelSave|Save$|Saver$"
)
_NOTES = ("Note", "MarkdownNote")
# ComfyUI takes everything up to the next space for the name; a weight in brackets may follow.
_EMBEDDING = re.compile(r"(?:^|(?<=[\s(\[{,]))embedding:([^\s:,()\[\]{}<>|\"*?]{1,255})")
_EMBEDDING_ENDINGS = (".safetensors", ".pt", ".bin")
_LOADED = (".safetensors", ".pth", ".pt", ".bin")


def references(workflow: Workflow, name: str, loaders: Loaders) -> list[Reference]:
    """Every reference of a workflow; `name` is the workflow's path relative to its root."""
    by_name: dict[str, Hint] = {}
    for hint in workflow.hints:
        by_name.setdefault(_path(hint.name), hint)
    found = []
    for node in workflow.nodes:
        own = {_path(hint.name): hint for hint in node.hints}
        for place in _places(node, loaders):
            path = _path(place.value)
            known = own.get(path) or by_name.get(path)
            folder = place.folder or _guess(place, path, known)
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
                    files=place.files,
                    kind=place.kind,
                    active=node.active and place.active,
                    optional=place.optional,
                    guessed=place.folder is None and folder is not None,
                    hint=known,
                )
            )
    return found


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    input: str
    value: str
    folder: str | None
    also: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    kind: Kind = "file"
    active: bool = True
    optional: bool = False


def _places(node: Node, loaders: Loaders) -> Iterator[_Place]:
    loader = loaders.get(node.type)
    if loader:
        yield from _of_loader(node, loader)
    elif not _NO_LOADER.search(node.type):
        yield from _of_unknown(node, loaders)
    yield from _of_prompts(node)


def _guess(place: _Place, path: str, hint: Hint | None) -> str | None:
    if hint and hint.folder and is_folder_key(hint.folder):
        return folder_key(hint.folder)
    return None if place.optional or place.kind != "file" else guess.folder(place.input, path)


def _path(value: str) -> str:
    return value.replace("\\", "/")


def _of_loader(node: Node, loader: Loader) -> Iterator[_Place]:
    used = node.value("", loader.count) if loader.count is not None else None
    for position, (name, entry) in enumerate(loader.inputs.items()):
        value = node.value(name, entry.index)
        if isinstance(value, str) and value in entry.sets:
            told = entry.sets[value]
            yield _Place(input=name, value=value, folder=told.folder, files=told.files)
            continue
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


def _of_unknown(node: Node, loaders: Loaders) -> Iterator[_Place]:
    """What looks like a model file in a node that no one knows, at any depth.

    A node that only chooses a name says no folder, but the loader that it gives the name to does.
    """
    fed = next((entry for end in node.feeds if (entry := _input_of(loaders, *end))), None)
    for name, value in node.values():
        for place, text in _strings(name, value):
            if has_model_extension(text):
                yield _Place(
                    input=place,
                    value=text,
                    folder=fed.folder if fed else None,
                    also=fed.also if fed else (),
                )


def _input_of(loaders: Loaders, node_type: str, name: str) -> LoaderInput | None:
    loader = loaders.get(node_type)
    return loader.inputs.get(name) if loader else None


def _strings(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif depth < NESTED_MAX and isinstance(value, list | Mapping):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in inner:
            yield from _strings(f"{name}.{key}", item, depth + 1)


def _of_prompts(node: Node) -> Iterator[_Place]:
    """Embeddings that a prompt names; ComfyUI adds the extension where the prompt has none."""
    if node.type in _NOTES:
        return
    for name, text in node.values():
        if not isinstance(text, str) or "embedding:" not in text:
            continue
        for value in _EMBEDDING.findall(text[:PROMPT_MAX]):
            own = value.lower().endswith(_EMBEDDING_ENDINGS)
            files = () if own else (f"{_path(value)}.safetensors",)
            yield _Place(
                input=name, value=value, folder="embeddings", files=files, kind="embedding"
            )


def spellings(reference: Reference, path: str) -> tuple[str, ...]:
    """The names under which ComfyUI would take a file: of what it names itself, any extension."""
    if not reference.files:
        return (path,)
    stem = path.rpartition(".")[0]
    return (path, *(s for end in _LOADED if (s := stem + end) != path))


def has_model_extension(value: str) -> bool:
    """Tell whether a widget's string looks like the name of a model file."""
    if len(value) > VALUE_MAX or "\n" in value or "://" in value:
        return False
    dot = value.rfind(".")
    return dot > 0 and value[dot:].lower() in EXTENSIONS
