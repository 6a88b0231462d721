"""Scan: workflows in, references out. A file that did not change is not read again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from comfyfix import comfyui
from comfyfix.comfyui.loaders.table import Loaders, built_in
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.disk import json_file
from comfyfix.disk.code import stamp_of_code
from comfyfix.disk.files import clean_text
from comfyfix.errors import system_says
from comfyfix.records import Hint, Reason, Reference, because
from comfyfix.why import Why

STRANGE_MAX = 100
"""Node types of one workflow that are kept as not known."""
_OF_THE_PAGE = frozenset({"Note", "MarkdownNote", "Reroute", "PrimitiveNode", "SetNode", "GetNode"})
"""Nodes that ComfyUI's page has, and its server never sees."""


class ScannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its references and all addresses that it tells, or why it could not be read.

    `is_workflow` is false for JSON that is something else; `stamp` is (mtime_ns, ctime_ns,
    size, inode) when it was read, empty when it was too fresh to be trusted. `strange` are the
    types of its nodes that are not known to be there, where it is known which are.
    """

    path: str
    workflow: str
    references: tuple[Reference, ...] = ()
    hints: tuple[Hint, ...] = ()
    problem: Reason | None = None
    is_workflow: bool = True
    stamp: tuple[int, ...] = ()
    strange: tuple[str, ...] = ()


class _Cache(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[2] = 2
    made_by: str = ""
    files: dict[str, ScannedFile] = {}


def scan(
    files: Iterable[tuple[str, str]],
    cache_path: Path | None = None,
    loaders: Loaders | None = None,
    nodes: frozenset[str] = frozenset(),
) -> list[ScannedFile]:
    """Scan workflow files, each on its own: one that can't be read does not stop the others.

    `loaders` says what inputs take; without it, the built-in table does. `nodes` are the node types
    that are there.
    """
    made_by = _made_by(loaders, nodes)
    cache = (json_file.cached(cache_path, _Cache) if cache_path else None) or _Cache()
    before = cache.files if cache.made_by == made_by else {}
    scanned, fresh = [], 0
    for path, name in files:
        cached = before.get(path)
        if cached and cached.workflow == name and cached.stamp == workflow_files.stamp(path):
            scanned.append(cached)
            continue
        fresh += 1
        scanned.append(scan_file(path, name, loaders, nodes))
    # What has a path that is no text can't be kept in a JSON file; it is read each time.
    lasting = {f.path: f for f in scanned if f.stamp and f.path == clean_text(f.path)}
    if cache_path and (fresh or len(lasting) != len(before)):
        json_file.keep(cache_path, _Cache(made_by=made_by, files=lasting))
    return scanned


def without_workflow(scanned: Iterable[ScannedFile], named: Iterable[str]) -> list[Reason]:
    """What to tell of files that the user has named outright and that hold no workflow."""
    paths = frozenset(named)
    empty = (file.path for file in scanned if not file.is_workflow and file.path in paths)
    return [because(Why.HOLDS_NO_WORKFLOW, path=path) for path in empty]


def scan_file(
    path: str, name: str, loaders: Loaders | None = None, nodes: frozenset[str] = frozenset()
) -> ScannedFile:
    """Scan one file; problems are told in the result."""
    # What has not changed is not read, and these cost every command a twentieth of its time.
    from comfyfix.comfyui.references import find as references
    from comfyfix.comfyui.workflows import read as workflow

    stamp = workflow_files.stamp(path)
    loaders = built_in() if loaders is None else loaders
    try:
        with workflow_files.open_file(path) as stream:
            graph = workflow.read(stream)
            named, hints = references.read(graph, name, loaders)
    except OSError as error:
        cause = system_says(error)
        return ScannedFile(path=path, workflow=name, problem=cause)
    except workflow.NotAWorkflow as error:
        broken = error.reason.why != Why.NO_WORKFLOW
        return ScannedFile(
            path=path,
            workflow=name,
            problem=error.reason if broken else None,
            is_workflow=broken,
            stamp=workflow_files.if_settled(stamp),
        )
    return ScannedFile(
        path=path,
        workflow=name,
        references=tuple(named),
        hints=hints,
        stamp=workflow_files.if_settled(stamp),
        strange=_strange((node.type for node in graph.nodes if node.active), nodes),
    )


def _strange(types: Iterable[str], nodes: frozenset[str]) -> tuple[str, ...]:
    strange = dict.fromkeys(t for t in types if t not in nodes and t not in _OF_THE_PAGE)
    return tuple(strange)[:STRANGE_MAX] if nodes else ()


def _made_by(loaders: Loaders | None, nodes: frozenset[str]) -> str:
    """What the cache depends on besides the files: the code and tables that read them."""
    table = ""
    if loaders is not None and loaders is not built_in():
        facts = msgspec.json.encode((loaders, sorted(nodes)))
        table = hashlib.blake2b(facts, digest_size=8).hexdigest()
    return f"{stamp_of_code(comfyui)}-{table}"
