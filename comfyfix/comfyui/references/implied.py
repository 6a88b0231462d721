"""Implied: files that follow from a node or its preset, and that no workflow names.

`loaders/implied.json` has them as the packs' own sources and guides tell: for a node class, what
the chosen preset begins with (in lower case; empty for every preset), and which sets of files it
needs. Which file of a set is loaded may depend on the checkpoint, so none counts as needed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources

import msgspec

from comfyfix.comfyui.references.places import Place
from comfyfix.comfyui.workflows.graph import Node
from comfyfix.records import Reads


class _Set(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one folder; with a `path` all of them in it, else each for itself; or a repository.

    What lies in a repository is fetched by the node.
    """

    folder: str | None = None
    path: str = ""
    files: tuple[str, ...] = ()
    repo: str = ""


class _Table(msgspec.Struct, frozen=True, kw_only=True):
    sets: dict[str, _Set]
    nodes: dict[str, dict[str, tuple[str, ...]]]


def places(node: Node) -> Iterator[Place]:
    """What a node needs besides what it names."""
    presets = _table().nodes.get(node.type)
    if presets is None:
        return
    named = [(name, value) for name, value in node.values() if isinstance(value, str)]
    for name, value in [("", ""), *named]:
        # The longest beginning that fits: `faceid plus v2` is no `faceid`.
        fitting = [start for start in presets if value.casefold().startswith(start)]
        start = max(fitting, key=len, default="")
        if bool(start) is bool(name):
            for needed in presets.get(start, ()):
                yield from _of_set(_table().sets[needed], name, value)


def _of_set(needed: _Set, name: str, preset: str) -> Iterator[Place]:
    if needed.repo:
        yield Place(
            input=name, value=needed.repo, folder=None, kind="hub_repo", optional=True, listed=False
        )
    elif needed.path:
        files = tuple(f"{needed.path}/{file}" for file in needed.files)
        yield _implied(name, preset, needed.path, needed.folder, files)
    else:
        for file in needed.files:
            yield _implied(name, preset, file, needed.folder, (file,))


def _implied(
    name: str, preset: str, path: str, folder: str | None, files: tuple[str, ...]
) -> Place:
    return Place(
        input=name,
        value=preset,
        path=path,
        folder=folder,
        files=files,
        kind="implied",
        optional=True,
        listed=False,
        by_name=path in files,
        reads=Reads.ANY if path in files else Reads.NAMED,
    )


@functools.cache
def _table() -> _Table:
    from comfyfix.comfyui import loaders

    data = resources.files(loaders).joinpath("implied.json").read_bytes()
    return msgspec.json.decode(data, type=_Table)
