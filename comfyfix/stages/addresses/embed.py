"""Embed: the addresses of models, written into the nodes that name them.

`properties.models` of a node is where ComfyUI's frontend looks (its `zModelFile`: name, url,
directory, hash, hash_type); it believes an entry whose name is a value of that very node. What an
author has written there and what is still right stays as it is.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from comfyfix.comfyui.loaders.table import Loaders
from comfyfix.comfyui.references import find as references
from comfyfix.comfyui.store.keys import folder_key
from comfyfix.comfyui.workflows import added, wrapped
from comfyfix.comfyui.workflows import read as workflow
from comfyfix.comfyui.workflows.edited import Source
from comfyfix.comfyui.workflows.graph import Node
from comfyfix.comfyui.workflows.marked import Mark, MarkedDict, MarkedList, Span, quoted
from comfyfix.loose_json import items, mapping, sha256
from comfyfix.records import Left, Reason, Reference, because
from comfyfix.secrets import open_address
from comfyfix.why import Why

Change = Literal["added", "completed", "there"]
_SHA256 = "SHA256"


class Address(NamedTuple):
    """Where a model can be had, as its provider has confirmed it: its url, its hash, its folder.

    Of a set these are those of its first shard; `parts` are all of them.
    """

    model: str
    url: str
    sha256: str
    directory: str
    parts: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Mention:
    """One model of one node, and what has become of its entry."""

    reference: Reference
    address: Address
    change: Change


@dataclass(frozen=True, slots=True)
class Embedded:
    """A workflow with addresses, and what differs."""

    data: bytes
    mentions: tuple[Mention, ...]
    left: tuple[Left, ...]

    @property
    def differs(self) -> bool:
        """Tell whether anything is to be written."""
        return any(mention.change != "there" for mention in self.mentions)


Answers = Callable[[Reference], Iterable[tuple[str, Address | Reason]]]
"""What is known of the models of a reference, each with the name that its entry gets."""
Leads = Callable[[str, str], str | Reason | None]
"""The sha256 of what a name's address leads to: empty for nothing, None where nobody tells it."""


class _Wish(NamedTuple):
    reference: Reference
    name: str
    address: Address


def refused(path: str, source: Source) -> Reason | None:
    """Why a workflow has no place for addresses, if so."""
    graphs = wrapped.graphs(source.value)
    is_ui = all(isinstance(graph.get("nodes"), list) for _, graph in graphs)
    return None if is_ui else because(Why.EMBED_API_FORM, path=path)


def embedded(
    source: Source, name: str, loaders: Loaders, answers: Answers, leads: Leads
) -> Embedded:
    """Write what is known of each model into its node. Raises NotAWorkflow."""
    graph = workflow.of_value(source.value)
    nodes, leaves = _Nodes(source.value), {node.id: node for node in graph.nodes}
    wishes: dict[Span, dict[tuple[str, str], _Wish]] = {}
    left: list[Left] = []
    for reference in references.references(graph, name, loaders):
        for entry, answer in answers(reference):
            owner = nodes.owner(reference, leaves[reference.node_id])
            if isinstance(answer, Reason):
                left.append(Left(reference, answer))
            elif owner is None:
                left.append(Left(reference, because(Why.EMBED_NO_PLACE)))
            else:
                wish = _Wish(reference, entry, answer)
                wishes.setdefault(owner, {}).setdefault((entry, answer.directory), wish)
    writing = _Writing(source.text, leads)
    for owner, of_owner in wishes.items():
        writing.into(nodes.at[owner], list(of_owner.values()))
    for node in nodes.at.values():
        writing.keep_secret(node)
    data = source.with_edits(writing.edits)
    return Embedded(data, tuple(writing.mentions), (*left, *writing.left))


class _Nodes:
    """The nodes of a file, wherever they stand in it, by their places."""

    def __init__(self, value: Any) -> None:
        self.at = {node.span: node for node in _nodes(value)}
        self._spans = sorted(self.at)

    def owner(self, reference: Reference, leaf: Node) -> Span | None:
        """The node that holds the value that was chosen: the loader, a host, or a primitive."""
        widgets: Any = leaf.widgets
        marked = isinstance(widgets, MarkedList | MarkedDict)
        if marked:
            values = widgets.values() if isinstance(widgets, dict) else widgets
            if any(value == reference.value for value in values if isinstance(value, str)):
                return self._around(widgets.span)
        if isinstance(reference.value, Mark):
            return self._around(reference.value.span)
        return self._around(widgets.span) if marked else None

    def _around(self, span: Span) -> Span | None:
        """The innermost node around a place."""
        last = bisect.bisect(self._spans, span)
        return next((s for s in reversed(self._spans[:last]) if s[1] >= span[1]), None)


def _nodes(value: Any) -> Iterator[MarkedDict]:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            pending += part.values()
            yield from (node for node in items(part.get("nodes")) if isinstance(node, MarkedDict))
        elif isinstance(part, list):
            pending += part


class _Writing:
    """The edits of one file."""

    def __init__(self, text: str, leads: Leads) -> None:
        self._text, self._leads = text, leads
        self.edits: dict[Span, str] = {}
        self.mentions: list[Mention] = []
        self.left: list[Left] = []

    def into(self, node: MarkedDict, wishes: list[_Wish]) -> None:
        """Write what is wished for into the entries of one node."""
        if not _has_place(node):
            for wish in wishes:
                self._leave(wish, because(Why.EMBED_PROPERTIES))
            return
        fresh = []
        for wish in wishes:
            entry = next((entry for entry in _entries(node) if _is_of(entry, wish)), None)
            if entry is not None:
                self._complete(entry, wish)
            else:
                fresh.append(_entry(wish))
                self._mention(wish, "added")
        if fresh:
            self._add(node, fresh)

    def keep_secret(self, node: MarkedDict) -> None:
        """Take tokens out of the addresses of a node, as they are not for who gets the file."""
        for entry in _entries(node):
            url = entry.get("url")
            place = entry.place_of(self._text, "url") if isinstance(url, str) else None
            if place and place not in self.edits and open_address(str(url)) != url:
                self.edits[place] = quoted(self._text, open_address(str(url)))

    def _add(self, node: MarkedDict, entries: list[dict[str, str]]) -> None:
        text, properties = self._text, node.get("properties")
        style = added.style_of(text, node)
        if not isinstance(properties, MarkedDict):
            edit = added.members(text, node, {"properties": {"models": entries}}, style)
        else:
            models = properties.get("models")
            style = added.style_of(text, properties, style)
            if isinstance(models, MarkedList):
                edit = added.items(text, models, entries, added.style_of(text, models, style))
            else:
                edit = added.members(text, properties, {"models": entries}, style)
        self.edits[edit[0]] = edit[1]

    def _complete(self, entry: MarkedDict, wish: _Wish) -> None:
        """Add to an entry what it lacks, and put its address right where that leads nowhere."""
        digest, url, proven = _sha256_of(entry), entry.get("url"), wish.address.sha256
        if digest and digest != proven:
            self._leave(wish, because(Why.EMBED_OTHER_HASH))
            return
        led_to = proven if url == wish.address.url else self._leads(wish.name, url) if url else ""
        if isinstance(led_to, Reason):
            self._leave(wish, led_to)
            return
        if led_to and led_to != proven and not digest:
            self._leave(wish, because(Why.EMBED_ANOTHER_FILE))
            return
        if led_to is None:  # to a file that nobody tells the hash of
            self._mention(wish, "there")
            return
        complete = _entry(wish)
        if led_to == proven:
            del complete["url"]
        if entry.get("hash") and not digest:  # of another kind
            del complete["hash"], complete["hash_type"]
        lacking = {k: v for k, v in complete.items() if k == "url" or not entry.get(k)}
        self._mention(wish, "completed" if lacking else "there")
        for key in [key for key in lacking if key in entry]:
            place = entry.place_of(self._text, key)
            if place:
                self.edits[place] = quoted(self._text, lacking.pop(key))
        if lacking:
            style = added.style_of(self._text, entry)
            span, letters = added.members(self._text, entry, lacking, style)
            self.edits[span] = letters

    def _mention(self, wish: _Wish, change: Change) -> None:
        self.mentions.append(Mention(wish.reference, wish.address, change))

    def _leave(self, wish: _Wish, reason: Reason) -> None:
        self.left.append(Left(wish.reference, reason))


def _has_place(node: MarkedDict) -> bool:
    """Tell whether a node can hold entries: the frontend does not take `models: null` either."""
    properties = node.get("properties", {})
    return isinstance(properties, dict) and isinstance(properties.get("models", []), list)


def _entries(node: MarkedDict) -> list[MarkedDict]:
    models = mapping(node.get("properties")).get("models")
    return [entry for entry in items(models) if isinstance(entry, MarkedDict)]


def _is_of(entry: Mapping[str, Any], wish: _Wish) -> bool:
    """Tell the entry of a model from that of a namesake in another folder."""
    folder = entry.get("directory")
    same = not folder or folder_key(str(folder)) == folder_key(wish.address.directory)
    return entry.get("name") == wish.name and same


def _entry(wish: _Wish) -> dict[str, str]:
    return {
        "name": wish.name,
        "url": wish.address.url,
        "hash": wish.address.sha256,
        "hash_type": _SHA256,
        "directory": wish.address.directory,
    }


def _sha256_of(entry: Mapping[str, Any]) -> str:
    """The sha256 that an entry tells, in lower case; empty where it tells none."""
    digest, kind = entry.get("hash"), entry.get("hash_type")
    if not isinstance(digest, str) or not isinstance(kind, str | None):
        return ""
    if (kind or _SHA256).upper().replace("-", "") != _SHA256:
        return ""
    return sha256(digest)
