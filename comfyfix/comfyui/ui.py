"""UI JSON (0.4 and 1.0): nested subgraphs, expanded once per instance.

What a widget holds in the end is decided here, in the frontend's order: a link from a primitive,
then the value promoted to the host, then the node's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from comfyfix.comfyui.graph import DEPTH_MAX, NODES_MAX, Node, NotAWorkflow, Workflow
from comfyfix.comfyui.shapes import dicts, hint_list, hints, items, mapping

MUTED, BYPASSED = 2, 4
_INPUT_NODE = "-10"  # the inside of a subgraph's inputs, in its links
_HOST_INPUT = "-1"  # the same, in legacy proxyWidgets


@dataclass(slots=True)
class _Graph:
    """One level: the root, or the inside of a subgraph definition."""

    nodes: dict[str, dict[str, Any]]
    origins: dict[tuple[str, int], tuple[str, int]]  # (target, slot) → (origin, slot)
    inputs: list[str] = field(default_factory=list)  # names of a subgraph's own inputs


def _graph(source: Mapping[str, Any]) -> _Graph:
    nodes = {str(node.get("id")): node for node in dicts(source.get("nodes"))}
    origins: dict[tuple[str, int], tuple[str, int]] = {}
    by_id: dict[Any, tuple[str, int]] = {}
    for link in items(source.get("links")):
        ends = _ends(link)
        if ends:
            link_id, origin, origin_slot, target, target_slot = ends
            origins[target, target_slot] = (origin, origin_slot)
            if link_id is not None:
                by_id[link_id] = (origin, origin_slot)
    for node_id, node in nodes.items():
        for slot, given in enumerate(dicts(node.get("inputs"))):
            origin_of_link = by_id.get(_hashable(given.get("link")))
            if origin_of_link:
                origins[node_id, slot] = origin_of_link
    names = [str(given.get("name")) for given in dicts(source.get("inputs"))]
    return _Graph(nodes=nodes, origins=origins, inputs=names)


def _ends(link: Any) -> tuple[Any, str, int, str, int] | None:
    if isinstance(link, dict):
        link = [link.get(k) for k in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    if not isinstance(link, list) or len(link) < 5:  # noqa: PLR2004 - id and two ends
        return None
    link_id, origin, origin_slot, target, target_slot = link[:5]
    if not (isinstance(origin_slot, int) and isinstance(target_slot, int)):
        return None
    return _hashable(link_id), str(origin), origin_slot, str(target), target_slot


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


def read(value: dict[str, Any]) -> Workflow:
    """Read UI JSON. Raises NotAWorkflow if it has too many nodes."""
    definitions: dict[str, dict[str, Any]] = {}
    pending = [value]
    while pending:  # older files nest definitions inside definitions
        for definition in dicts(mapping(pending.pop().get("definitions")).get("subgraphs")):
            if str(definition.get("id")) not in definitions:
                definitions[str(definition.get("id"))] = definition
                pending.append(definition)
    groups = mapping(mapping(value.get("extra")).get("groupNodes"))
    reader = _UiReader(definitions, {str(k): mapping(v) for k, v in groups.items()})
    reader.expand(_graph(value), prefix="", active=True, outer=_Outer(), stack=())
    levels = [value, *definitions.values()]
    told = [hint for level in levels for node in dicts(level.get("nodes")) for hint in hints(node)]
    told += hint_list(value.get("models"))
    return Workflow(nodes=tuple(reader.found), hints=tuple(dict.fromkeys(told)))


@dataclass(frozen=True, slots=True)
class _Outer:
    """What a host gives to the inside of its subgraph."""

    slots: Mapping[int, Any] = field(default_factory=dict)
    widgets: Mapping[tuple[str, str], Any] = field(default_factory=dict)  # (node, input) → value


class _UiReader:
    """Expands subgraphs depth first; bounded in depth and in number of nodes."""

    def __init__(
        self, definitions: Mapping[str, dict[str, Any]], groups: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.found: list[Node] = []
        self._visited = 0
        self._definitions = definitions
        self._groups = groups
        self._graphs: dict[str, _Graph] = {}

    def expand(
        self, graph: _Graph, *, prefix: str, active: bool, outer: _Outer, stack: tuple[str, ...]
    ) -> None:
        for node_id, node in graph.nodes.items():
            self._visited += 1
            if self._visited > NODES_MAX:  # hosts count too: empty subgraphs can nest for ever
                raise NotAWorkflow(f"it has more than {NODES_MAX} nodes")
            node_type = str(node.get("type"))
            runs = active and node.get("mode") not in (MUTED, BYPASSED)
            given = self._given(graph, node_id, node, outer)
            if node_type in self._definitions:
                if node_type in stack or len(stack) >= DEPTH_MAX:
                    continue  # a subgraph that contains itself never ends
                inside = self._graph_of(node_type)
                self.expand(
                    inside,
                    prefix=f"{prefix}{node_id}:",
                    active=runs,
                    outer=_promoted(inside, node, given),
                    stack=(*stack, node_type),
                )
                continue
            group = self._groups.get(node_type.removeprefix("workflow/").removeprefix("workflow>"))
            leaves = (
                _group_members(group, node)
                if group is not None and node_type.startswith("workflow")
                else [(node_id, node)]
            )
            self._visited += len(leaves) - 1
            for leaf_id, leaf in leaves:
                self.found.append(_leaf(f"{prefix}{leaf_id}", leaf, runs, given))

    def _graph_of(self, node_type: str) -> _Graph:
        if node_type not in self._graphs:
            self._graphs[node_type] = _graph(self._definitions[node_type])
        return self._graphs[node_type]

    def _given(
        self, graph: _Graph, node_id: str, node: Mapping[str, Any], outer: _Outer
    ) -> dict[str, Any]:
        given = {name: v for (target, name), v in outer.widgets.items() if target == node_id}
        for slot, entry in enumerate(dicts(node.get("inputs"))):
            value = _follow(graph, graph.origins.get((node_id, slot)), outer)
            if value is not None:
                given[_input_name(entry)] = value
        return given


def _input_name(entry: Mapping[str, Any]) -> str:
    widget = mapping(entry.get("widget")).get("name")
    return widget if isinstance(widget, str) else str(entry.get("name"))


def _follow(graph: _Graph, origin: tuple[str, int] | None, outer: _Outer) -> Any:
    """Return the value at the other end of a link, if a primitive or a host says it."""
    for _ in range(DEPTH_MAX):
        if origin is None:
            return None
        node_id, slot = origin
        if node_id == _INPUT_NODE:
            return outer.slots.get(slot)
        node = graph.nodes.get(node_id, {})
        node_type = str(node.get("type"))
        if node_type.startswith("Primitive"):
            promoted = [v for (target, _), v in outer.widgets.items() if target == node_id]
            own = items(node.get("widgets_values"))
            return (promoted or own or [None])[0]
        if node_type != "Reroute":
            return None
        origin = graph.origins.get((node_id, 0))
    return None


def _promoted(inside: _Graph, host: Mapping[str, Any], linked: Mapping[str, Any]) -> _Outer:
    """What a host's widgets and links say to the inside.

    The values follow the definition's promoted inputs, not the host's own list; in files of
    the year 2025 they follow `proxyWidgets` instead, null where the inside keeps its value.
    """
    slots: dict[int, Any] = {}
    widgets: dict[tuple[str, str], Any] = {}
    backed = {
        slot
        for (target, target_slot), (origin, slot) in inside.origins.items()
        if origin == _INPUT_NODE and _is_widget(inside.nodes.get(target, {}), target_slot)
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
                widgets[str(proxy[0]), str(proxy[1])] = value
            elif str(proxy[1]) in inside.inputs:
                slots[inside.inputs.index(str(proxy[1]))] = value
    elif isinstance(values, list):
        slots.update(zip(order, values, strict=False))
    for slot, name in enumerate(inside.inputs):
        if name in linked:
            slots[slot] = linked[name]
    return _Outer(
        slots={slot: value for slot, value in slots.items() if value is not None},
        widgets={place: value for place, value in widgets.items() if value is not None},
    )


def _is_widget(node: Mapping[str, Any], slot: int) -> bool:
    entries = dicts(node.get("inputs"))
    return 0 <= slot < len(entries) and bool(entries[slot].get("widget"))


def _group_members(
    group: Mapping[str, Any], host: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Split a group node into its members; its widgets are theirs, one after another."""
    members = dicts(group.get("nodes"))
    values = host.get("widgets_values")
    lengths = [len(items(member.get("widgets_values"))) for member in members]
    found, start = [], 0
    for index, (member, length) in enumerate(zip(members, lengths, strict=True)):
        if isinstance(values, list) and len(values) == sum(lengths):
            member = {**member, "widgets_values": values[start : start + length]}  # noqa: PLW2901
        start += length
        found.append((f"{host.get('id')}:{index}", member))
    return found


def _leaf(node_id: str, node: Mapping[str, Any], active: bool, given: Mapping[str, Any]) -> Node:
    widgets = node.get("widgets_values")
    if not isinstance(widgets, list | dict):
        widgets = []
    return Node(
        id=node_id,
        type=str(node.get("type")),
        active=active,
        given=given,
        widgets=widgets,
        names=tuple(
            _input_name(entry) for entry in dicts(node.get("inputs")) if entry.get("widget")
        ),
        hints=tuple(hints(node)),
    )
