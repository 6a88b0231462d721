"""The JSON of a workflow, whose values know where in the file they stand.

Readers hand values on as they are. So whatever they make of a file, a text, list or mapping that is
still marked is the very one that stands there, and can be changed without touching anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r'\s*("[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+)', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
Span = tuple[int, int]


class Mark(str):
    """A text of the file; `span` is where it stands, with its quotes, in characters."""

    __slots__ = ("span",)
    span: Span


class MarkedList(list[Any]):
    """A list of the file; `places` are the spans of its items."""

    __slots__ = ("places", "span")

    def __init__(self, span: Span) -> None:
        super().__init__()
        self.span = span
        self.places: list[Span] = []

    @property
    def members(self) -> list[Span]:
        """The spans of its items."""
        return self.places


class MarkedDict(dict[str, Any]):
    """A mapping of the file; `places` are the spans of its keys and values, each that is there."""

    __slots__ = ("places", "span")

    def __init__(self, span: Span) -> None:
        super().__init__()
        self.span = span
        self.places: list[tuple[Span, Span]] = []

    @property
    def members(self) -> list[Span]:
        """The spans of its members, from key to value."""
        return [(key[0], value[1]) for key, value in self.places]

    def place_of(self, text: str, key: str) -> Span | None:
        """The span of the value that counts under a key."""
        named = (
            value for at, value in reversed(self.places) if json.loads(text[slice(*at)]) == key
        )
        return next(named, None)


class _Reading:
    """What is open while a text is read: the innermost list or mapping, and its key if it has one.

    A place that a value has is put right when the value ends.
    """

    def __init__(self) -> None:
        self.root = MarkedList((0, 0))
        self._open: list[MarkedList | MarkedDict] = [self.root]
        self._keys: list[tuple[str, Span] | None] = [None]

    def take(self, part: str, span: Span) -> None:
        """Take one text, number, word, or bracket."""
        if part in ("}", "]"):
            self._close(span[1])
            return
        at, key = self._open[-1], self._keys[-1]
        if isinstance(at, MarkedDict) and key is None:
            self._keys[-1] = str(_value(part, span)), span
            return
        value = _value(part, span)
        if isinstance(at, MarkedDict) and key is not None:
            at[key[0]] = value
            at.places.append((key[1], span))
            self._keys[-1] = None
        elif isinstance(at, MarkedList):
            at.append(value)
            at.places.append(span)
        if isinstance(value, MarkedList | MarkedDict):
            self._open.append(value)
            self._keys.append(None)

    def _close(self, end: int) -> None:
        done = self._open.pop()
        self._keys.pop()
        done.span = (done.span[0], end)
        around = self._open[-1]
        if isinstance(around, MarkedDict):
            around.places[-1] = (around.places[-1][0], done.span)
        else:
            around.places[-1] = done.span


def decode(text: str) -> Any:
    """Read JSON that is known to be valid, as `json` does, with each value marked that can be.

    Texts that can't be encoded are told with the sign for "no character", and not marked.
    """
    reading = _Reading()
    for match in _TOKEN.finditer(text):
        if (part := match.group(1)) not in (":", ","):
            reading.take(part, match.span(1))
    return reading.root[0] if reading.root else None


def rewritten(text: str, edits: Mapping[Span, str]) -> str:
    """The same text with other letters at some places; all else stays letter by letter."""
    parts, end = [], 0
    for (start, stop), letters in sorted(edits.items()):
        parts += [text[end:start], letters]
        end = stop
    return "".join([*parts, text[end:]])


def quoted(text: str, value: str) -> str:
    """A text as JSON, in the letters that the file keeps to."""
    return json.dumps(value, ensure_ascii=text.isascii())


def _value(part: str, span: Span) -> Any:
    """One text, number or word, or a list or mapping that begins."""
    if part == "{":
        return MarkedDict(span)
    if part == "[":
        return MarkedList(span)
    value = json.loads(part)
    if not isinstance(value, str):
        return value
    if _SURROGATE.search(value):
        return _SURROGATE.sub("\ufffd", value)
    marked = Mark(value)
    marked.span = span
    return marked
