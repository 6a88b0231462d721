"""References: which places of a workflow name model files, and in which folder each belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from comfyfix.comfyui.loaders.table import LoaderInput, Loaders, find
from comfyfix.comfyui.references import air, guess, implied
from comfyfix.comfyui.references import by_loader as known
from comfyfix.comfyui.references import prompts as texts
from comfyfix.comfyui.references.addresses import Addresses, own_address
from comfyfix.comfyui.references.hints import key_of
from comfyfix.comfyui.references.places import NESTED_MAX, Place, has_model_extension, plain_path
from comfyfix.comfyui.store.keys import is_folder_key
from comfyfix.comfyui.workflows.graph import Node, Values, Workflow
from comfyfix.records import Hint, Reference

# Nodes whose strings are texts or names of files to be written, never models to load.
_NO_LOADER = re.compile(
    r"^(Save|Preview|Note|MarkdownNote|Reroute|Primitive|Show|Display|Image Saver|Label \("
    r"|[SG]etNode|easy ([sg]etNode|show))"
    r"|ModelSave|Save$|Saver$"
)
# What packs call the nodes that fetch their models themselves.
_DOWNLOADS = re.compile(r"DownloadAndLoad")
_FETCHES = re.compile(r"^DownloadAndLoad|Preprocessor")
# The inputs by which a text reaches a node that loads what tags in it name; API JSON does not
# tell them from those that take models and conditionings.
_TEXTS = ("text", "prompt", "wildcard", "wildcard_text", "populated_text", "lora_syntax", "loras")


def references(workflow: Workflow, name: str, loaders: Loaders) -> list[Reference]:
    """Every reference of a workflow; `name` is the workflow's path relative to its root."""
    return read(workflow, name, loaders)[0]


def read(
    workflow: Workflow, name: str, loaders: Loaders
) -> tuple[list[Reference], tuple[Hint, ...]]:
    """Every reference of a workflow, and every address that it tells."""
    addresses = Addresses(workflow)
    references = []
    for node in workflow.nodes:
        fetches = _DOWNLOADS.match(node.type) is not None
        for place in _places(node, loaders):
            optional = place.optional or fetches
            path = place.path or plain_path(place.value)
            hint = addresses.of(node, path, place.folder, place.also) or air.hint(place.value)
            hint = hint or own_address(place, path)
            folder = place.folder or _guess(node.type, place, path, hint)
            references.append(
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
                    endings=place.endings,
                    kind=place.kind,
                    active=node.active and place.active,
                    optional=optional,
                    guessed=place.folder is None and folder is not None,
                    listed=place.listed and node.active and not optional,
                    by_name=place.by_name,
                    reads=place.reads,
                    variant=place.variant,
                    hint=hint,
                )
            )
    return references, addresses.every


def _places(node: Node, loaders: Loaders) -> Iterator[Place]:
    loader = find(loaders, node.type)
    values = node.values()
    if loader:
        yield from known.places(node, values, loader)
    elif not _NO_LOADER.search(node.type):
        yield from _of_unknown(node, values, loaders)
    yield from texts.embeddings(node, values)
    fed = (find(loaders, node_type) for node_type, name in node.feeds if name in _TEXTS)
    tags = next((one.tags for one in (loader, *fed) if one and one.tags), None)
    if tags:
        yield from texts.tagged(values, tags)
    yield from implied.places(node)


def _guess(node_type: str, place: Place, path: str, hint: Hint | None) -> str | None:
    if hint and (key := key_of(hint)) and is_folder_key(key):
        return key
    if place.optional or place.kind != "file":
        return None
    return guess.folder(node_type, place.input, path)


def _of_unknown(node: Node, values: Values, loaders: Loaders) -> Iterator[Place]:
    """What looks like a model file in a node that no one knows, at any depth.

    A node that only chooses a name says no folder, but the loader that it gives the name to does.
    """
    fed = next((entry for end in node.feeds if (entry := _input_of(loaders, *end))), None)
    for name, value in values:
        for place, text in _strings(name, value):
            if has_model_extension(text) and not text.startswith("embedding:"):
                yield Place(
                    input=place,
                    value=text,
                    folder=fed.folder if fed else None,
                    also=fed.also if fed else (),
                    listed=place == name,
                    optional=bool(_FETCHES.search(node.type)),
                )


def _input_of(loaders: Loaders, node_type: str, name: str) -> LoaderInput | None:
    loader = find(loaders, node_type)
    return loader.inputs.get(name) if loader else None


def _strings(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif depth < NESTED_MAX and isinstance(value, list | Mapping):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in inner:
            yield from _strings(f"{name}.{key}", item, depth + 1)
