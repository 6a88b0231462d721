"""Group nodes: what the frontend had before subgraphs, kept under `extra.groupNodes`.

A group's members are numbered, its links join those numbers, and the widgets of a placed group
are the members' own, one after another, but for those that a link inside the group feeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfyfix.comfyui.workflows.links import Graph, graph_of, input_name
from comfyfix.loose_json import dicts, items, mapping

_PREFIXES = ("workflow/", "workflow>")


def name_of(node_type: str) -> str | None:
    """The group's name if a node type is that of a placed group, else None."""
    return node_type[len(_PREFIXES[0]) :] if node_type.startswith(_PREFIXES) else None


def inside(group: Mapping[str, Any], host: Mapping[str, Any]) -> Graph:
    """The members of a placed group as a graph, holding the values of this very place."""
    members = [{**member, "id": index} for index, member in enumerate(dicts(group.get("nodes")))]
    links = [
        [number, *link[:4]]
        for number, link in enumerate(items(group.get("links")))
        if isinstance(link, list) and all(isinstance(end, int) for end in link[:4])
    ]
    graph = graph_of({"nodes": [_unlinked(member) for member in members], "links": links})
    values = host.get("widgets_values")
    if isinstance(values, list):
        _hand_out(graph, values)
    return graph


def _unlinked(member: dict[str, Any]) -> dict[str, Any]:
    """Leave out the link numbers of the graph that the group was once made of."""
    inputs = [{**entry, "link": None} for entry in dicts(member.get("inputs"))]
    return {**member, "inputs": inputs}


def _hand_out(graph: Graph, values: list[Any]) -> None:
    """Give each member its part of the host's values; if they don't add up, none."""
    shown = {node_id: _shown(graph, node_id) for node_id in graph.nodes}
    if sum(map(len, shown.values())) != len(values):
        shown = {
            node_id: list(range(len(items(node.get("widgets_values")))))
            for node_id, node in graph.nodes.items()
        }
        if sum(map(len, shown.values())) != len(values):
            return
    rest = iter(values)
    for node_id, places in shown.items():
        own = list(items(graph.nodes[node_id].get("widgets_values")))
        for place in places:
            own[place] = next(rest)
        graph.nodes[node_id]["widgets_values"] = own


def _shown(graph: Graph, node_id: str) -> list[int]:
    """The widgets of a member that the placed group shows, by position."""
    entries = graph.entries[node_id]
    widgets = [input_name(entry) for entry in entries if mapping(entry.get("widget"))]
    fed = {
        input_name(entry)
        for slot, entry in enumerate(entries)
        if (node_id, slot) in graph.origins and mapping(entry.get("widget"))
    }
    count = len(items(graph.nodes[node_id].get("widgets_values")))
    if not fed or len(widgets) != count:
        # Only a member that lists all its widgets tells the position of the one that is fed.
        return list(range(count - len(fed))) if fed and count == len(fed) else list(range(count))
    return [place for place, name in enumerate(widgets) if name not in fed]
