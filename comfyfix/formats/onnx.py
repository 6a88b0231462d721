"""ONNX: a protobuf message, walked field by field along the parts that can name other files.

Weights may lie in files beside the model, at a `location` that must not lead elsewhere. What is a
single field for the format must be there once: readers merge or overwrite what comes again.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from comfyfix.formats.finding import Finding, Refused, damaged, unsafe, wrong
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.protobuf import BYTES, NARROW, VARINT, WIDE, Fields

FIELDS_MAX = 3_000_000  # the largest graphs have a hundred thousand nodes
TEXT_MAX = 4096
DEPTH_MAX = 64
_MODEL_FIELDS = {
    1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES,
    14: BYTES, 20: BYTES, 25: BYTES, 26: BYTES,
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
    "external": {1: "text", 2: "text"},
}  # fmt: skip
_TAGS = {
    kind: {number << 3 | BYTES: inner for number, inner in fields.items()}
    for kind, fields in _INSIDE.items()
}
_MODEL_TAGS = frozenset(number << 3 | wire for number, wire in _MODEL_FIELDS.items())
_LOCATED = 14 << 3 | VARINT  # says of a tensor whether its bytes lie elsewhere
_ONCE = {
    kind: frozenset(numbers)
    for kind, numbers in {
        "model": (1, 7),
        "training": (1, 2),
        "attribute": (5, 6, 22),
        "sparse": (1, 2),
        "tensor": (_LOCATED >> 3,),
        "external": (1, 2),
    }.items()
}
_NONE = frozenset[int]()
# A part of dots and spaces is `..` to Windows; a colon makes a drive, a stream or an address; a
# star is part of what some readers take for an address in memory.
_LEADS_OUT = re.compile(r"(?:^|[/\\])[. ]{2,}(?:[/\\]|$)|^[/\\~]|[:*?\"<>|\x00-\x1f\x7f]")
# `basepath` is read by nobody; `prepacked_1` and so on tell places in the same file.
_NO_PATH = re.compile(r"offset|length|checksum|basepath|prepacked_\d{1,9}")


def check(stream: BinaryIO, size: int) -> Finding | None:
    """Say what is wrong with an ONNX file of `size` bytes."""
    try:
        _Model(stream, size).check()
    except Refused as refused:
        return refused.finding
    return None


class _Model:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.fields = Fields(stream, size)
        self.size = size
        self.count = 0
        self.texts: dict[int, bytes] = {}  # of the entry that is being read
        self.located = False  # whether the tensor that is being read has a place

    def check(self) -> None:
        if not _ONCE["model"] <= self._message("model", self.size, 0):
            raise wrong(Flaw.ONNX_NO_MODEL)

    def _message(self, kind: str, end: int, depth: int) -> set[int]:
        """Walk one message up to byte `end`; return which of its single fields are there."""
        if depth > DEPTH_MAX:
            raise unsafe(Flaw.ONNX_NESTED, most=DEPTH_MAX)
        fields, inside = self.fields, _TAGS[kind]
        seen, elsewhere = set[int](), False
        while fields.at < end:
            tag = self._tag(kind, seen)
            if tag & 7 != BYTES:
                value = self._number(tag & 7)
                elsewhere = elsewhere or (kind == "tensor" and tag == _LOCATED and value == 1)
                continue
            length = fields.length()
            if length > end - fields.at:
                raise damaged(Flaw.ONNX_FIELD_BEYOND, field=tag >> 3, message=kind)
            inner = inside.get(tag)
            if inner is None or not length:
                fields.skip(length)
            elif inner == "text":
                self._text(tag >> 3, length)
            else:
                self._message(inner, fields.at + length, depth + 1)
        if fields.at != end:
            raise damaged(Flaw.ONNX_ODD_END, message=kind)
        self._ended(kind, elsewhere=elsewhere)
        return seen

    def _tag(self, kind: str, seen: set[int]) -> int:
        place = self.fields.at
        tag = self.fields.tag()
        self.count += 1
        if self.count > FIELDS_MAX:
            raise unsafe(Flaw.ONNX_MANY_FIELDS, most=FIELDS_MAX)
        if tag not in _TAGS[kind]:
            _require_known(kind, tag, place)
        number = tag >> 3
        if number in _ONCE.get(kind, _NONE):
            if number in seen:
                raise unsafe(Flaw.ONNX_FIELD_TWICE, field=number, message=kind, place=place)
            seen.add(number)
        return tag

    def _number(self, wire: int) -> int:
        if wire == VARINT:
            return self.fields.value() & 0xFFFFFFFF  # as a number of 32 bits is read
        self.fields.skip({WIDE: 8, NARROW: 4}[wire])
        return 0

    def _text(self, number: int, length: int) -> None:
        self.texts[number] = self.fields.take(min(length, TEXT_MAX))
        self.fields.skip(length - len(self.texts[number]))

    def _ended(self, kind: str, *, elsewhere: bool) -> None:
        """Judge what an entry or a tensor tells of another file."""
        if kind == "external":
            self._require_beside()
        elif kind == "tensor":
            if elsewhere and not self.located:
                raise damaged(Flaw.ONNX_WEIGHTS_NOWHERE)
            self.located = False

    def _require_beside(self) -> None:
        """Refuse the entry of a file that is not beside the model.

        Whatever the key is: readers may compare it in another way.
        """
        key, value = self.texts.pop(1, b""), self.texts.pop(2, b"")
        name = key.decode("utf-8", "replace")
        if _NO_PATH.fullmatch(name):
            return
        try:
            where = value.decode()
        except UnicodeDecodeError:
            raise unsafe(Flaw.ONNX_WEIGHTS_NO_NAME) from None
        if len(value) >= TEXT_MAX or _LEADS_OUT.search(where):
            raise unsafe(Flaw.ONNX_WEIGHTS_ELSEWHERE, file=where)
        self.located = self.located or (name == "location" and bool(where))


def _require_known(kind: str, tag: int, place: int) -> None:
    """Refuse what is no field of a model, and fields of interest that are of another type."""
    if tag not in _MODEL_TAGS if kind == "model" else tag >> 3 in _INSIDE[kind]:
        raise damaged(Flaw.ONNX_FIELD_UNKNOWN, field=tag >> 3, place=place)
