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

    def literal(given: Any) -> Any:
        """Follow a link to a primitive; other links have no value to tell."""
        for _ in range(DEPTH_MAX):
            if isinstance(given, dict) and "__value__" in given:  # so a list is told from a link
                return given["__value__"]
            if not (isinstance(given, list) and given and isinstance(given[0], str | int)):
                return given
            origin = value.get(str(given[0]))
            if not isinstance(origin, dict) or not isinstance(origin.get("inputs"), dict):
                return None
            if not str(origin.get("class_type")).startswith(("Primitive", "Reroute")):
                return None
            given = next(iter(origin["inputs"].values()), None)
        return None

    feeds: dict[str, list[tuple[str, str]]] = {}
    for node in value.values():
        for name, given in mapping(mapping(node).get("inputs")).items():
            if isinstance(given, list) and given and isinstance(given[0], str | int):
                feeds.setdefault(str(given[0]), []).append((str(node.get("class_type")), str(name)))
    nodes = tuple(
        Node(
            id=str(node_id),
            type=str(node["class_type"]),
            active=True,
            given={},
            widgets={str(k): literal(v) for k, v in mapping(node.get("inputs")).items()},
            feeds=tuple(feeds.get(str(node_id), ())),
        )
        for node_id, node in value.items()
        if isinstance(node, dict) and "class_type" in node
    )
    return Workflow(nodes=nodes, hints=())
