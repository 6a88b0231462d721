"""The JSON of a workflow, whose texts know where in the file they stand.

Readers hand texts on as they are. So whatever they make of a file, a value of it that is still
marked is the very one that stands there, and can be replaced without touching anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r'\s*("[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+)', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEGINS: Mapping[str, type[Any]] = {"{": dict, "[": list}
Span = tuple[int, int]


class Mark(str):
    """A text of the file; `span` is where it stands, with its quotes, in characters."""

    __slots__ = ("span",)
    span: Span


def decode(text: str) -> Any:
    """Read JSON that is known to be valid, as `json` does, with each value that is a text marked.

    Texts that can't be encoded are told with the sign for "no character", and not marked.
    """
    found: list[Any] = []
    inside: list[list[Any] | dict[str, Any]] = [found]
    keys: list[str | None] = [None]
    for match in _TOKEN.finditer(text):
        part = match.group(1)
        if part in (":", ","):
            continue
        if part in ("}", "]"):
            inside.pop()
            keys.pop()
            continue
        at, value = inside[-1], _value(part, match.span(1))
        if isinstance(at, dict) and keys[-1] is None:
            keys[-1] = str(value)
            continue
        if isinstance(at, dict):
            at[keys[-1] or ""] = value
            keys[-1] = None
        else:
            at.append(value)
        if isinstance(value, dict | list):
            inside.append(value)
            keys.append(None)
    return found[0] if found else None


def rewritten(text: str, values: Mapping[Span, str]) -> str:
    """The same text with other texts at some places; all else stays letter by letter."""
    parts, end = [], 0
    for (start, stop), value in sorted(values.items()):
        parts += [text[end:start], json.dumps(value, ensure_ascii=text.isascii())]
        end = stop
    return "".join([*parts, text[end:]])


def _value(part: str, span: Span) -> Any:
    """One text, number or word, or a list or mapping that begins."""
    if part in _BEGINS:
        return _BEGINS[part]()
    value = json.loads(part)
    if not isinstance(value, str):
        return value
    if _SURROGATE.search(value):
        return _SURROGATE.sub("\ufffd", value)
    marked = Mark(value)
    marked.span = span
    return marked
