"""The lines of a workflow's file on which nodes stand, for whoever shows a file by its lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfyfix.comfyui.workflows import edited, marked
from comfyfix.comfyui.workflows.graph import NotAWorkflow

TEXT_MAX = 4 << 20
"""Characters of a file that is looked into: this is read slower than it is for the nodes alone."""
_DEEPEST = 60


class NodeLines:
    """Where nodes stand in one file; none in what is no JSON, as a picture."""

    def __init__(self, path: str) -> None:
        self._lines: dict[tuple[str, str], int] = {}
        try:
            source = edited.opened(path)
            if isinstance(source, edited.Source) and len(source.text) <= TEXT_MAX:
                for key, place in _nodes(source.text, source.value):
                    line = source.text.count("\n", 0, place) + 1
                    self._lines.setdefault(key, line)
        except (NotAWorkflow, OSError, RecursionError, ValueError):
            return  # it has changed since it was read, and has no lines to show

    def of(self, node_id: str, node_type: str) -> int | None:
        """The line of a node; one in a subgraph is called by the path to it."""
        last = node_id.rpartition(":")[2]
        return self._lines.get((node_id, node_type)) or self._lines.get((last, node_type))


def _nodes(text: str, value: Any, depth: int = 0) -> Iterator[tuple[tuple[str, str], int]]:
    """Each node's id and type, and where its id stands, in either form of a workflow."""
    if depth > _DEEPEST:
        return
    if isinstance(value, marked.MarkedDict):
        place = value.place_of(text, "id")
        if place and isinstance(value.get("type"), str):
            yield (str(value.get("id")), str(value["type"])), place[0]
        for (start, end), _ in value.places:
            name = text[start + 1 : end - 1]
            inner = value.get(name)
            if isinstance(inner, dict) and isinstance(inner.get("class_type"), str):
                yield (name, str(inner["class_type"])), start
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for item in inside:
            yield from _nodes(text, item, depth + 1)
