"""One level of a UI graph, and what arrives at its inputs over links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from comfyfix.comfyui.workflows.graph import DEPTH_MAX
from comfyfix.loose_json import dicts, items, mapping

INPUT_NODE = "-10"  # the inside of a subgraph's inputs, in its links
_SET, _GET = ("SetNode", "easy setNode"), ("GetNode", "easy getNode")
"""Links without a line: what goes into the one comes out of every other of the same name."""

End = tuple[str, int]
"""A node and a slot of it."""


@dataclass(slots=True)
class Graph:
    """The root, the inside of a subgraph definition, or one group node."""

    nodes: dict[str, dict[str, Any]]
    entries: dict[str, list[dict[str, Any]]]  # node → its inputs
    origins: dict[End, End]  # (target, slot) → (origin, slot)
    inputs: list[str]  # names of a subgraph's own inputs
    setters: dict[str, str]  # name → the node that sets it
    feeds: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Node → the widgets, as (node type, input), that it gives their value over a link."""


@dataclass(frozen=True, slots=True)
class Outer:
    """What a host gives to the inside of its subgraph."""

    slots: Mapping[int, Any] = field(default_factory=dict)
    widgets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # node → input → value


def graph_of(source: Mapping[str, Any]) -> Graph:
    """Read one level: its nodes by id, and which end leads where."""
    nodes = {str(node.get("id")): node for node in dicts(source.get("nodes"))}
    entries = {node_id: dicts(node.get("inputs")) for node_id, node in nodes.items()}
    origins: dict[End, End] = {}
    by_id: dict[Any, End] = {}
    inputs = dicts(source.get("inputs"))
    for link in items(source.get("links")):
        ends = _ends(link)
        if ends and not _is_cut(ends, inputs):
            link_id, origin, target = ends
            origins[target] = origin
            if link_id is not None:
                by_id[link_id] = origin
    for node_id, given_to in entries.items():
        for slot, given in enumerate(given_to):
            # The frontend believes the input's own link number where the two differ.
            origin_of_link = by_id.get(_hashable(given.get("link")))
            if origin_of_link:
                origins[node_id, slot] = origin_of_link
    graph = Graph(
        nodes=nodes,
        entries=entries,
        origins=origins,
        inputs=[str(given.get("name")) for given in inputs],
        setters={
            _name_set(node): node_id
            for node_id, node in nodes.items()
            if str(node.get("type")) in _SET
        },
    )
    graph.feeds = _feeds(graph)
    return graph


def input_name(entry: Mapping[str, Any]) -> str:
    """The name of an input; a widget that became an input keeps the widget's."""
    widget = mapping(entry.get("widget")).get("name")
    return widget if isinstance(widget, str) else str(entry.get("name"))


def arrivals(graph: Graph, node_id: str, outer: Outer) -> Iterator[tuple[str, Any]]:
    """Every (input, value) that reaches a node over a link; None where a run decides.

    An input to which nothing is said keeps the node's own value, and is not among them.
    """
    for slot, entry in enumerate(graph.entries[node_id]):
        origin = _source(graph, graph.origins.get((node_id, slot)))
        if origin is None:
            continue
        if origin[0] == INPUT_NODE:
            if origin[1] in outer.slots:
                yield input_name(entry), outer.slots[origin[1]]
            continue
        if _is_primitive(node := graph.nodes[origin[0]]):
            promoted = list(outer.widgets.get(origin[0], {}).values())
            value = (promoted or items(node.get("widgets_values")) or [None])[0]
            if value is not None:
                yield input_name(entry), value
        elif entry.get("widget"):
            yield input_name(entry), None  # its own value is what was there before the link


def _ends(link: Any) -> tuple[Any, End, End] | None:
    if isinstance(link, dict):
        link = [link.get(k) for k in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    if not isinstance(link, list) or len(link) < 5:  # noqa: PLR2004 - id and two ends
        return None
    link_id, origin, origin_slot, target, target_slot = link[:5]
    if not (isinstance(origin_slot, int) and isinstance(target_slot, int)):
        return None
    return _hashable(link_id), (str(origin), origin_slot), (str(target), target_slot)


def _is_cut(ends: tuple[Any, End, End], inputs: list[dict[str, Any]]) -> bool:
    """Tell a link from a subgraph's own input that the input does not know: a leftover."""
    link_id, (origin, slot), _ = ends
    listed = inputs[slot].get("linkIds") if 0 <= slot < len(inputs) else None
    return origin == INPUT_NODE and isinstance(listed, list) and link_id not in listed


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


def _is_primitive(node: Mapping[str, Any]) -> bool:
    return str(node.get("type")).startswith("Primitive")


def _source(graph: Graph, origin: End | None) -> End | None:
    """Follow a link back, through what only passes it on, to the node that has the value."""
    for _ in range(DEPTH_MAX):
        if origin is None or origin[0] == INPUT_NODE:
            return origin
        node = graph.nodes.get(origin[0])
        if node is None:
            return None
        node_type = str(node.get("type"))
        if node_type in _GET:
            origin = graph.origins.get((graph.setters.get(_name_set(node), ""), 0))
        elif node_type.startswith("Reroute") or node_type in _SET:
            origin = graph.origins.get((origin[0], 0))
        else:
            return origin
    return None


def _name_set(node: Mapping[str, Any]) -> str:
    return str((items(node.get("widgets_values")) or [""])[0])


def _feeds(graph: Graph) -> dict[str, list[tuple[str, str]]]:
    feeds: dict[str, list[tuple[str, str]]] = {}
    for target, slot in graph.origins:
        inputs = graph.entries.get(target, [])
        if 0 <= slot < len(inputs) and inputs[slot].get("widget"):
            origin = _source(graph, graph.origins[target, slot])
            if origin is not None and origin[0] != INPUT_NODE:
                entry = (str(graph.nodes[target].get("type")), input_name(inputs[slot]))
                feeds.setdefault(origin[0], []).append(entry)
    return feeds
