"""A workflow as one flat list of nodes, whatever form its file had."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from comfyfix.records import Hint, because
from comfyfix.why import Why

ABSENT: Final = object()
"""What an input holds that is not there: null is a value too."""
NODES_MAX = 50_000
DEPTH_MAX = 64


class NotAWorkflow(ValueError):
    """The file is not a workflow; `reason` says in what way."""

    def __init__(self, why: Why, **fields: object) -> None:
        self.reason = because(why, **fields)
        super().__init__(f"{self.reason.why}: {self.reason.told}")


Values = Sequence[tuple[str, Any]]
"""The inputs of a node that are not links, each with what it holds."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node that would run, ids of enclosing hosts in front (`91:54`).

    `given` are the values that come from outside the node (links, hosts), by input name;
    `widgets` the node's own, by position or by name; `names` the inputs that are widgets, in
    order, as far as the file tells them; `feeds` the widgets, as (node type, input), that get
    their value from this node over a link. `whole` for API JSON: an input that is not there has
    no value.
    """

    id: str
    type: str
    active: bool
    given: Mapping[str, Any]
    widgets: Sequence[Any] | Mapping[str, Any]
    names: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    feeds: tuple[tuple[str, str], ...] = ()
    whole: bool = False

    def value(self, name: str, index: int | None = None) -> Any:
        """The effective value of an input; `index` is its place among the widgets if known.

        A file that tells the names of all its widgets knows the place better: packs move them.
        """
        value = self.given[name] if name in self.given else self.own(name, index)
        return None if value is ABSENT else chosen(value)

    def own(self, name: str, index: int | None = None) -> Any:
        """What the node itself holds for an input, as it stands there; ABSENT where nothing is."""
        if isinstance(self.widgets, Mapping):
            return self.widgets.get(name, ABSENT)
        if name in self.names and (index is None or len(self.names) == len(self.widgets)):
            index = self.names.index(name)
        if index is not None and index < len(self.widgets):
            return self.widgets[index]
        return ABSENT

    def values(self) -> Values:
        """Every (input name, effective value); the position stands for a name not told."""
        values = [(name, chosen(value)) for name, value in self.given.items()]
        own: Iterable[tuple[str, Any]]
        if isinstance(self.widgets, Mapping):
            own = self.widgets.items()
        elif len(self.names) == len(self.widgets):
            own = zip(self.names, self.widgets, strict=True)
        else:
            own = ((f"widget_{i}", value) for i, value in enumerate(self.widgets))
        values += [(name, chosen(value)) for name, value in own if name not in self.given]
        return values


@dataclass(frozen=True, slots=True)
class Workflow:
    """The nodes of one file, and everything the file itself says of where models are."""

    nodes: tuple[Node, ...]
    hints: tuple[Hint, ...]


def chosen(value: Any) -> Any:
    """What a widget says; a list with pictures keeps `{content: name, image: preview}`."""
    if not isinstance(value, dict):
        return value
    content = value.get("content")
    return content if isinstance(content, str) else value


def is_truthy(value: Any) -> bool:
    """Tell whether a switch of a node is on; numbers that are not finite are off."""
    if isinstance(value, str):
        return value.strip().lower() in ("on", "true", "yes", "enable", "enabled", "1")
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return bool(value)
