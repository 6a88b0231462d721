"""API JSON: nodes by id, as ComfyUI's server takes them."""

from __future__ import annotations

from typing import Any

from comfyfix.comfyui.workflows.graph import DEPTH_MAX, Node, Workflow
from comfyfix.loose_json import mapping


def is_api(value: dict[str, Any]) -> bool:
    """Tell API JSON by its content."""
    nodes = [v for v in value.values() if isinstance(v, dict) and "class_type" in v]
    return bool(nodes)


def read(value: dict[str, Any]) -> Workflow:
    """Read API JSON: it has no subgraphs, and nothing in it is muted."""
    feeds: dict[str, list[tuple[str, str]]] = {}
    for node in value.values():
        for name, given in mapping(mapping(node).get("inputs")).items():
            if (origin := _origin(value, given)) is not None:
                feeds.setdefault(origin, []).append((str(node.get("class_type")), str(name)))
    nodes = tuple(
        _node(value, node_id, node, tuple(feeds.get(str(node_id), ())))
        for node_id, node in value.items()
        if isinstance(node, dict) and "class_type" in node
    )
    return Workflow(nodes=nodes, hints=())


def _node(
    graph: dict[str, Any], node_id: object, node: dict[str, Any], feeds: tuple[tuple[str, str], ...]
) -> Node:
    inputs = {str(name): held for name, held in mapping(node.get("inputs")).items()}
    linked = {name for name, held in inputs.items() if _origin(graph, held) is not None}
    return Node(
        id=str(node_id),
        type=str(node["class_type"]),
        active=True,
        given={name: _arriving(graph, inputs[name]) for name in inputs if name in linked},
        widgets={name: _own(held) for name, held in inputs.items() if name not in linked},
        feeds=feeds,
        whole=True,
    )


def _origin(graph: dict[str, Any], held: Any) -> str | None:
    """The node that a link leads to; a list that leads to none is refused by ComfyUI."""
    match held:
        case [str() | int() as origin, int()] if isinstance(graph.get(str(origin)), dict):
            return str(origin)
        case _:
            return None


def _arriving(graph: dict[str, Any], held: Any) -> Any:
    """Follow a link to a primitive; other links have no value to tell."""
    for _ in range(DEPTH_MAX):
        origin = _origin(graph, held)
        if origin is None:
            return _own(held)
        node = graph[origin]
        if not str(node.get("class_type")).startswith(("Primitive", "Reroute")):
            return None
        held = next(iter(mapping(node.get("inputs")).values()), None)
    return None


def _own(held: Any) -> Any:
    """A list is wrapped to be told from a link."""
    return held["__value__"] if isinstance(held, dict) and "__value__" in held else held
