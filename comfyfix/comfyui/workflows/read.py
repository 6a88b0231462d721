"""Workflow files: UI or API JSON, plain or inside a picture, a video or a sound.

The form is told by the content, never by place or name. What a file may cost is bounded before
anything of it is decoded: bytes, values, nodes.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from comfyfix.comfyui.workflows import api, media, ui, wrapped
from comfyfix.comfyui.workflows.graph import NODES_MAX, Node, NotAWorkflow, Workflow
from comfyfix.records import Hint
from comfyfix.why import Why

__all__ = ["NotAWorkflow", "Workflow", "parse", "read"]

TEXT_MAX = 32 << 20  # bytes of JSON; the largest real workflows have one or two million
ENTRIES_MAX = 100  # graphs of one file that are read
VALUES_MAX = 250_000  # values of JSON; the largest real workflows have some ten thousand
# The longer first: that of UTF-32 begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(data: bytes) -> Workflow:
    """Read a workflow from its bytes. Raises NotAWorkflow."""
    return read(io.BytesIO(data))


def read(stream: BinaryIO) -> Workflow:
    """Read a workflow file; of a video or a sound only the tags are read.

    Raises NotAWorkflow, with line and column where JSON is broken, and OSError.
    """
    form = media.form_of(stream.read(media.HEAD))
    if form is None:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        return _of_json(stream.read(min(size, TEXT_MAX + 1)))
    stream.seek(0)
    problem = NotAWorkflow(Why.NO_WORKFLOW)
    for number, data in enumerate(media.workflows_in(form, stream)):
        try:
            return _of_json(data)
        except NotAWorkflow as error:
            problem = problem if number else error
    raise problem


def _of_json(data: bytes) -> Workflow:
    if len(data) > TEXT_MAX:
        raise NotAWorkflow(Why.JSON_LONG, limit=TEXT_MAX)
    # Each value costs about a hundred bytes, however few of the file's it takes.
    if len(data) > VALUES_MAX and sum(map(data.count, (b",", b"{", b"["))) > VALUES_MAX:
        raise NotAWorkflow(Why.VALUES_MANY, limit=VALUES_MAX)
    return of_value(_decode(_utf8(data)))


def of_value(value: Any) -> Workflow:
    """Read a workflow from its decoded JSON. Raises NotAWorkflow."""
    graphs = list(islice(wrapped.graphs(value), ENTRIES_MAX))
    if not graphs:
        raise NotAWorkflow(Why.NO_WORKFLOW)
    try:
        return _of_graph(graphs[0][1]) if len(graphs) == 1 else _of_several(graphs)
    except RecursionError:
        raise NotAWorkflow(Why.SUBGRAPHS_DEEP) from None


def _of_several(graphs: Iterable[tuple[str, dict[str, Any]]]) -> Workflow:
    """The graphs of a history as one workflow."""
    nodes: list[Node] = []
    hints: list[Hint] = []
    for name, graph in graphs:
        workflow = _of_graph(graph)
        nodes += [replace(node, id=f"{name}:{node.id}") for node in workflow.nodes]
        hints += workflow.hints
        if len(nodes) > NODES_MAX:
            raise NotAWorkflow(Why.NODES_MANY, limit=NODES_MAX)
    return Workflow(nodes=tuple(nodes), hints=tuple(dict.fromkeys(hints)))


def _of_graph(graph: dict[str, Any]) -> Workflow:
    return ui.read(graph) if isinstance(graph.get("nodes"), list) else api.read(graph)


def mark_of(data: bytes) -> tuple[bytes, str]:
    """The mark that a text begins with, and its encoding: PowerShell writes UTF-16."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return mark, encoding
    return b"", "utf-8"


def _utf8(data: bytes) -> bytes:
    """The same text in UTF-8 and without a mark."""
    mark, encoding = mark_of(data)
    if encoding == "utf-8":
        return data.removeprefix(mark)  # its bytes are looked at later
    try:
        return data[len(mark) :].decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise NotAWorkflow(Why.JSON_UNREADABLE, error=type(error).__name__) from None


def _decode(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)  # refuses lone surrogates
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass  # the slower decoder takes NaN, and tells the place of an error
    try:
        value = json.loads(data.decode("utf-8", "backslashreplace"))
        # A lone surrogate can be written to no file and no terminal, and its code in letters would
        # be another name, with a backslash that separates folders.
        return _marked(value) if re.search(rb"\\u[dD][89a-fA-F]", data) else value
    except json.JSONDecodeError as error:
        raise NotAWorkflow(
            Why.JSON_BROKEN, line=error.lineno, column=error.colno, error=error.msg
        ) from None
    except (RecursionError, ValueError) as error:
        raise NotAWorkflow(Why.JSON_UNREADABLE, error=type(error).__name__) from None


def _marked(value: Any) -> Any:
    """The same with the sign for "no character" (which no name may hold) in place of surrogates."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        return {_marked(key): _marked(item) for key, item in value.items()}
    return value
