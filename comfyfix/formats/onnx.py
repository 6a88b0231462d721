"""ONNX: a protobuf message, walked field by field along the parts that can name other files.

Weights may lie in files beside the model, at a `location` that must not lead elsewhere.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from comfyfix.files import printable
from comfyfix.formats.finding import Finding, Refused, damaged, unsafe, wrong
from comfyfix.formats.window import Window

FIELDS_MAX = 3_000_000  # the largest graphs have a hundred thousand nodes
TEXT_MAX = 4096
_VARINT, _WIDE, _BYTES, _NARROW = 0, 1, 2, 5
_IR_VERSION, _GRAPH = 1, 7
_MODEL_FIELDS = {
    1: _VARINT, 2: _BYTES, 3: _BYTES, 4: _BYTES, 5: _VARINT, 6: _BYTES, 7: _BYTES, 8: _BYTES,
    14: _BYTES, 20: _BYTES, 25: _BYTES, 26: _BYTES,
}  # fmt: skip
# Message → its fields that are messages of interest. Names are those of the ONNX specification.
_INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
    "external": {},
}  # fmt: skip
DEPTH_MAX = 64
_LEADS_OUT = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\~]|^[A-Za-z]:|[\x00-\x1f\x7f]")


def check(stream: BinaryIO, size: int) -> Finding | None:
    """Say what is wrong with an ONNX file of `size` bytes."""
    try:
        _Model(Window(stream, size)).check()
    except Refused as refused:
        return refused.finding
    return None


class _Model:
    def __init__(self, window: Window) -> None:
        self.window = window
        self.fields = 0

    def check(self) -> None:
        seen = self._message("model", self.window.size, 0)
        if not {_IR_VERSION, _GRAPH} <= seen:
            raise wrong("it is no ONNX model: it has no version or no graph")

    def _message(self, kind: str, end: int, depth: int) -> set[int]:
        """Walk one message up to byte `end`; return the numbers of its fields."""
        if depth > DEPTH_MAX:
            raise unsafe(f"its graphs are nested more than {DEPTH_MAX} deep")
        window, seen, texts = self.window, set[int](), dict[int, str]()
        while window.at < end:
            number, wire = self._field(kind)
            seen.add(number)
            if wire != _BYTES:
                self._pass(wire)
                continue
            length = self._varint()
            if length > end - window.at:
                raise damaged(f"it is cut short: field {number} of its {kind} leads beyond its end")
            inner = _INSIDE[kind].get(number)
            if inner is not None:
                self._message(inner, window.at + length, depth + 1)
            elif kind == "external" and length <= TEXT_MAX:
                texts[number] = window.take(length).decode("utf-8", "backslashreplace")
            else:
                window.skip(length)
        if window.at != end:
            raise damaged(f"it is damaged: its {kind} does not end where it says")
        if kind == "external":
            _require_beside(texts)
        return seen

    def _field(self, kind: str) -> tuple[int, int]:
        self.fields += 1
        if self.fields > FIELDS_MAX:
            raise unsafe(f"it has more than {FIELDS_MAX} fields, too many to look at")
        place = self.window.at
        tag = self._varint()
        number, wire = tag >> 3, tag & 7
        if not number or (kind == "model" and _MODEL_FIELDS.get(number) != wire):
            raise damaged(
                f"it is no ONNX model, or damaged: field {number} at byte {place} is not known"
            )
        return number, wire

    def _pass(self, wire: int) -> None:
        if wire == _VARINT:
            self._varint()
        elif wire in (_WIDE, _NARROW):
            self.window.skip(8 if wire == _WIDE else 4)
        else:
            raise damaged(f"it is damaged at byte {self.window.at}")

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.window.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
                return value
        raise damaged(f"it is damaged: the number before byte {self.window.at} has no end")


def _require_beside(entry: dict[int, str]) -> None:
    """Refuse an external file that is not beside the model (entry: 1 key, 2 value)."""
    where = entry.get(2, "/ of more letters than are read")
    if entry.get(1) == "location" and _LEADS_OUT.search(where):
        raise unsafe(f"it takes weights from {printable(where, 60)}, which is not beside it")
