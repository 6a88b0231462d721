"""Wrapped: the graphs inside what servers and other tools put around a workflow.

The request of a worker is `{"input": {"workflow": GRAPH}}`, that of ComfyUI's own `/prompt`
`{"prompt": GRAPH}`. Its `/history` is `{ID: {"prompt": [NUMBER, ID, GRAPH, EXTRA, …]}}`, whose
EXTRA may hold the UI graph, which tells more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfyfix.comfyui.workflows import api
from comfyfix.loose_json import items, mapping

_WRAPPERS = ("workflow", "prompt", "input")  # the UI graph first
_DEPTH_MAX = 6
_QUEUED = 3  # number, id and graph


def is_graph(value: Any) -> bool:
    """Tell UI and API JSON from anything else."""
    return isinstance(value, dict) and (isinstance(value.get("nodes"), list) or api.is_api(value))


def graphs(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every graph in a JSON value, with what its wrapper calls it where there may be several."""
    if is_graph(value):
        yield name, value
    elif isinstance(value, dict) and depth < _DEPTH_MAX:
        for key in _WRAPPERS:
            inner = _queued(value.get(key))
            if found := list(graphs(inner, name, depth + 1)):
                yield from found
                return
        for key, entry in value.items():
            if isinstance(mapping(entry).get("prompt"), list):
                yield from graphs(entry, str(key), depth + 1)


def _queued(value: Any) -> Any:
    """The graph of what is or was in the queue; any other value as it is."""
    if not isinstance(value, list):
        return value
    entry = items(value)
    extra = mapping(entry[_QUEUED]) if len(entry) > _QUEUED else {}
    shown = mapping(extra.get("extra_pnginfo")).get("workflow")
    return shown if is_graph(shown) else entry[_QUEUED - 1] if len(entry) >= _QUEUED else None
