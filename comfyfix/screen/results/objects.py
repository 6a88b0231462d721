"""A JSON object of which some fields are long lists, row by row; else as `to_json` writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from comfyfix.state.pieces import Form, Rows, Section

Field = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of rows, several kinds one after another; each with what makes a value of one."""

    parts: tuple[tuple[Rows[Any], Callable[[Any], Any]], ...]


def form(
    fields: Mapping[str, Any], last: Callable[[Sequence[bytes]], Mapping[str, Any]] = lambda _: {}
) -> Form:
    """The object as a file; `last` are its last fields, told all that stands before them."""
    sections: list[Section[Any]] = []
    text = b"{"
    for name, value in sorted(fields.items()):
        text += b"," * (len(text) > 1 or bool(sections)) + _named(name)
        if not isinstance(value, Listed):
            text += _text(value, b"\n  ")
            continue
        text += b"["
        for number, (rows, make) in enumerate(value.parts):
            if not rows.items:
                continue
            before = text + b"," * (not text) + b"\n    "
            sections.append(
                Section(f"{name} {number}", before, rows, b",\n    ", partial(_row, make))
            )
            text = b""
        text = text + b"]" if text else b"\n  ]"
    return Form(tuple(sections), lambda before: text + _end(last([*before, text])))


def _end(fields: Mapping[str, Any]) -> bytes:
    last = (b"," + _named(name) + _text(value, b"\n  ") for name, value in sorted(fields.items()))
    return b"".join((*last, b"\n}\n"))


def _named(name: str) -> bytes:
    return b"\n  " + msgspec.json.encode(name) + b": "


def _row(make: Callable[[Any], Any], item: Any) -> bytes:
    return _text(make(item), b"\n    ")


def _text(value: Any, gap: bytes) -> bytes:
    """A value so far from the edge: no string of JSON holds a line break."""
    text = msgspec.json.encode(value, order="sorted")
    return msgspec.json.format(text, indent=2).replace(b"\n", gap)
