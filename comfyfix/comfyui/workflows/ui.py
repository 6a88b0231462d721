"""UI JSON (0.4 and 1.0): nested subgraphs, expanded once per instance.

What a widget holds in the end is decided here, in the frontend's order: a link from a primitive,
then the value promoted to the host, then the node's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from comfyfix.comfyui.workflows import groups
from comfyfix.comfyui.workflows.graph import DEPTH_MAX, NODES_MAX, Node, NotAWorkflow, Workflow
from comfyfix.comfyui.workflows.links import (
    INPUT_NODE,
    Graph,
    Outer,
    arrivals,
    graph_of,
    input_name,
)
from comfyfix.loose_json import dicts, hint_list, hints, items, mapping
from comfyfix.why import Why

MUTED, BYPASSED = 2, 4
_AFTER_SEED = ("fixed", "increment", "decrement", "randomize")
_HOST_INPUT = "-1"  # the inside of a subgraph's inputs, in legacy proxyWidgets


def read(value: dict[str, Any]) -> Workflow:
    """Read UI JSON. Raises NotAWorkflow if it has too many nodes."""
    definitions: dict[str, dict[str, Any]] = {}
    pending = [value]
    while pending:  # older files nest definitions inside definitions
        for definition in dicts(mapping(pending.pop().get("definitions")).get("subgraphs")):
            if str(definition.get("id")) not in definitions:
                definitions[str(definition.get("id"))] = definition
                pending.append(definition)
    placed = mapping(mapping(value.get("extra")).get("groupNodes"))
    reader = _UiReader(definitions, {str(k): mapping(v) for k, v in placed.items()})
    reader.expand(graph_of(value), prefix="", active=True, outer=Outer(), stack=())
    nodes = [node for level in (value, *definitions.values()) for node in dicts(level.get("nodes"))]
    all_hints = [hint for node in nodes for hint in hints(node)]
    all_hints += hint_list(value.get("models"))
    return Workflow(nodes=tuple(reader.found), hints=tuple(dict.fromkeys(all_hints)))


class _UiReader:
    """Expands subgraphs depth first; bounded in depth and in number of nodes."""

    def __init__(
        self, definitions: Mapping[str, dict[str, Any]], groups: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.found: list[Node] = []
        self._visited = 0
        self._definitions = definitions
        self._groups = groups
        self._graphs: dict[str, Graph] = {}

    def expand(
        self, graph: Graph, *, prefix: str, active: bool, outer: Outer, stack: tuple[str, ...]
    ) -> None:
        for node_id, node in graph.nodes.items():
            self._visited += 1
            if self._visited > NODES_MAX:  # hosts count too: empty subgraphs can nest for ever
                raise NotAWorkflow(Why.NODES_MANY, limit=NODES_MAX)
            node_type = str(node.get("type"))
            runs = active and node.get("mode") not in (MUTED, BYPASSED)
            given = {**outer.widgets.get(node_id, {}), **dict(arrivals(graph, node_id, outer))}
            level = self._inside(node_type, node, given)
            if level is None:
                feeds = tuple(graph.feeds.get(node_id, ()))
                self.found.append(_leaf(f"{prefix}{node_id}", node, runs, given, feeds))
            elif node_type not in stack and len(stack) < DEPTH_MAX:  # else it would never end
                inner, gives = level
                self.expand(
                    inner,
                    prefix=f"{prefix}{node_id}:",
                    active=runs,
                    outer=gives,
                    stack=(*stack, node_type),
                )

    def _inside(
        self, node_type: str, node: Mapping[str, Any], given: Mapping[str, Any]
    ) -> tuple[Graph, Outer] | None:
        """What a node is made of, and what it gives to it; None for a node of one piece."""
        if node_type in self._definitions:
            inner = self._graph_of(node_type)
            return inner, _promoted(inner, node, given)
        group = groups.name_of(node_type)
        if group is not None and group in self._groups:
            return groups.inside(self._groups[group], node), Outer()
        return None

    def _graph_of(self, node_type: str) -> Graph:
        if node_type not in self._graphs:
            self._graphs[node_type] = graph_of(self._definitions[node_type])
        return self._graphs[node_type]


def _promoted(inside: Graph, host: Mapping[str, Any], linked: Mapping[str, Any]) -> Outer:
    """What a host's widgets and links say to the inside.

    The values follow the definition's promoted inputs, not the host's own list; in files of
    the year 2025 they follow `proxyWidgets` instead, null where the inside keeps its value.
    """
    slots: dict[int, Any] = {}
    widgets: dict[str, dict[str, Any]] = {}
    backed = {
        slot
        for (target, target_slot), (origin, slot) in inside.origins.items()
        if origin == INPUT_NODE and _is_widget(inside.entries.get(target, []), target_slot)
    }
    order = [slot for slot in range(len(inside.inputs)) if slot in backed]
    values = host.get("widgets_values")
    proxies = items(mapping(host.get("properties")).get("proxyWidgets"))
    if isinstance(values, dict):
        for slot in order:
            slots[slot] = values.get(inside.inputs[slot])
    elif isinstance(values, list) and values and len(proxies) == len(values):
        for proxy, value in zip(proxies, values, strict=True):
            if not isinstance(proxy, list) or len(proxy) < 2:  # noqa: PLR2004 - node and widget
                continue
            if str(proxy[0]) != _HOST_INPUT:
                if value is not None:
                    widgets.setdefault(str(proxy[0]), {})[str(proxy[1])] = value
            elif str(proxy[1]) in inside.inputs:
                slots[inside.inputs.index(str(proxy[1]))] = value
    elif isinstance(values, list):
        slots.update(zip(order, values, strict=False))
    slot_values = {slot: value for slot, value in slots.items() if value is not None}
    slot_values |= {slot: linked[name] for slot, name in enumerate(inside.inputs) if name in linked}
    return Outer(slots=slot_values, widgets=widgets)


def _is_widget(entries: list[dict[str, Any]], slot: int) -> bool:
    return 0 <= slot < len(entries) and bool(entries[slot].get("widget"))


def _leaf(
    node_id: str,
    node: Mapping[str, Any],
    active: bool,
    given: Mapping[str, Any],
    feeds: tuple[tuple[str, str], ...],
) -> Node:
    widgets = node.get("widgets_values")
    if not isinstance(widgets, list | dict):
        widgets = []
    return Node(
        id=node_id,
        type=str(node.get("type")),
        active=active,
        given=given,
        widgets=widgets,
        names=_names(node, widgets),
        hints=tuple(hints(node)),
        feeds=feeds,
    )


def _names(node: Mapping[str, Any], widgets: Any) -> tuple[str, ...]:
    """The names of the widgets; those that the frontend adds after a seed have no input."""
    inputs = [entry for entry in dicts(node.get("inputs")) if entry.get("widget")]
    input_names = [input_name(entry) for entry in inputs]
    spare = len(widgets) - len(input_names)
    if spare <= 0 or not input_names or isinstance(widgets, dict):
        return tuple(input_names)
    names: list[str] = []
    rest = iter(input_names)
    for before, value in pairwise([None, *widgets]):
        if spare and isinstance(before, int | float) and value in _AFTER_SEED:
            names.append("control_after_generate")
            spare -= 1
        else:
            names.append(next(rest, ""))
    return tuple(names) if not spare else tuple(input_names)
