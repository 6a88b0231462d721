"""GGUF: a header of counted keys and values, the list of the tensors, then their bytes.

Every count and length is held against the bytes that are left before it is believed. Texts that
loaders render as chat templates are judged by `chat_template`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from math import prod
from typing import BinaryIO

from comfyfix.formats.finding import Finding, Refused, damaged, unsafe, wrong
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.window import Window

VERSIONS = (2, 3)
HEADER_MAX = 64_000_000  # bytes before the tensors; the largest vocabularies take a third of it
ITEMS_MAX = 2_000_000  # texts in lists; the largest vocabularies with their merges: 0.8 million
COUNT_MAX = 200_000  # tensors, and keys; the largest models have some thousands
NAME_MAX = 65_535  # bytes of a key, as the specification says
TENSOR_NAME_MAX = 1024  # the format says 64, and real files of image models have longer ones
NESTING_MAX = 4
DIMENSIONS_MAX = 32  # NumPy's limit, which gguf-py sets; llama.cpp takes 4, ComfyUI's readers more
TEMPLATES_MAX = 60_000  # characters of all that is rendered; models come with 30,000
ALIGNMENT = 32
ALIGNMENT_MAX = 1 << 20
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
BLOCKS = {  # ggml type → values in a block, bytes of it
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 31: (32, 18), 32: (32, 18), 33: (32, 18), 34: (256, 54),
    35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
# `tokenizer.chat_template`, `tokenizer.chat_template.NAME`, and what others call such a text.
_RENDERED = re.compile(r"template|jinja|prompt", re.IGNORECASE)
_TAGS = ("{{", "{%", "{#")


def check(stream: BinaryIO, size: int) -> Finding | None:
    """Say what is wrong with a GGUF file of `size` bytes."""
    try:
        _Header(Window(stream, size)).check()
    except Refused as refused:
        return refused.finding
    return None


def architecture(stream: BinaryIO, size: int) -> str:
    """What model a GGUF file says it holds; empty where it does not. Raises Refused."""
    header = _Header(Window(stream, size))
    header.check()
    return header.architecture


class _Header:
    def __init__(self, window: Window) -> None:
        self.window = window
        self.big = False
        self.alignment = ALIGNMENT
        self.items = 0
        self.templates = 0  # characters
        self.architecture = ""

    def check(self) -> None:
        window = self.window
        if window.take(4) != b"GGUF":
            raise damaged(Flaw.GGUF_NO_START)
        version = window.take(4)
        self.big = version[:2] == b"\0\0"
        number = int.from_bytes(version, "big" if self.big else "little")
        if number == 1:
            raise wrong(Flaw.GGUF_VERSION_1)
        if number not in VERSIONS:
            raise damaged(Flaw.GGUF_VERSION_UNKNOWN, version=number)
        tensors, pairs = self._number(8), self._number(8)
        # A key and its value take 13 bytes at least, the entry of a tensor 24.
        if pairs * 13 + tensors * 24 > min(window.left, HEADER_MAX):
            raise damaged(Flaw.GGUF_IMPOSSIBLE_COUNTS, tensors=tensors, values=pairs)
        if max(tensors, pairs) > COUNT_MAX:
            raise unsafe(Flaw.GGUF_MANY_ENTRIES, tensors=tensors, values=pairs)
        self._pairs(pairs)
        self._geometry(self._tensors(tensors))

    def _number(self, width: int) -> int:
        return self.window.number(width, big=self.big)

    def _text(self, longest: int) -> str:
        length = self._number(8)
        if length > longest:
            raise damaged(Flaw.GGUF_IMPOSSIBLE_LENGTH, place=self.window.at - 8)
        return self.window.take(length).decode("utf-8", "backslashreplace")

    def _bounded(self) -> None:
        if self.window.at > HEADER_MAX:
            raise unsafe(Flaw.GGUF_LONG_HEADER, most=HEADER_MAX)

    def _pairs(self, count: int) -> None:
        seen = set[str]()
        for _ in range(count):
            key = self._text(NAME_MAX)
            if key in seen:
                raise damaged(Flaw.GGUF_KEY_TWICE, key=key)
            seen.add(key)
            kind = self._number(4)
            if key == "general.alignment":
                self._alignment(kind)
            elif key == "general.architecture" and kind == _STRING:
                self._architecture()
            else:
                self._value(kind, 0, rendered=_RENDERED.search(key) is not None)
            self._bounded()

    def _architecture(self) -> None:
        length = self._number(8)
        if length > NAME_MAX:
            self.window.skip(length)
        else:
            name = self.window.take(length)
            self.architecture = name.decode("utf-8", "backslashreplace")

    def _alignment(self, kind: int) -> None:
        alignment = self._number(4) if kind == _UINT32 else 0
        if not 0 < alignment <= ALIGNMENT_MAX or alignment & (alignment - 1):
            raise damaged(Flaw.GGUF_ALIGNMENT)
        self.alignment = alignment

    def _value(self, kind: int, depth: int, *, rendered: bool) -> None:
        window = self.window
        if kind in _WIDTHS:
            window.skip(_WIDTHS[kind])
        elif kind == _STRING and rendered:
            self._template()
        elif kind == _STRING:
            self._pass_text()
        elif kind == _ARRAY and depth < NESTING_MAX:
            self._array(depth, rendered=rendered)
        elif kind == _ARRAY:
            raise damaged(Flaw.GGUF_NESTED, most=NESTING_MAX)
        else:
            raise damaged(Flaw.GGUF_VALUE_TYPE_UNKNOWN, place=window.at, type=kind)

    def _template(self) -> None:
        """Judge a text that a loader may render."""
        length = self._number(8)
        self.window.need(length)
        # Counted are bytes first, so that no more is read than can be judged.
        if length > 4 * TEMPLATES_MAX:
            raise unsafe(Flaw.TEMPLATE_LONG, count=length)
        try:
            text = self.window.take(length).decode()
        except UnicodeDecodeError:
            raise unsafe(Flaw.TEMPLATE_NO_TEXT) from None
        self.templates += max(len(text), 1)
        if self.templates > TEMPLATES_MAX:
            raise unsafe(Flaw.TEMPLATES_LONG, most=TEMPLATES_MAX)
        if any(tag in text for tag in _TAGS):
            # 90 ms that only a file with a template needs
            from comfyfix.formats.template import chat_template

            chat_template.check(text)

    def _pass_text(self) -> None:
        self.items += 1
        if self.items > ITEMS_MAX:
            raise unsafe(Flaw.GGUF_MANY_TEXTS, most=ITEMS_MAX)
        self.window.skip(self._number(8))

    def _array(self, depth: int, *, rendered: bool) -> None:
        kind, count = self._number(4), self._number(8)
        width = _WIDTHS.get(kind)
        if width is not None:
            self.window.skip(width * count)
            return
        if count * 8 > self.window.left:
            raise damaged(Flaw.GGUF_LONG_LIST, place=self.window.at)
        for _ in range(count):
            if kind == _ARRAY:
                self._pass_list()
            self._value(kind, depth + 1, rendered=rendered)
            self._bounded()

    def _pass_list(self) -> None:
        self.items += 1
        if self.items > ITEMS_MAX:
            raise unsafe(Flaw.GGUF_MANY_LISTS, most=ITEMS_MAX)

    def _tensors(self, count: int) -> list[tuple[int, int, str]]:
        """Read the list of the tensors: begin and end of each, and its name."""
        spans: list[tuple[int, int, str]] = []
        names = set[str]()
        for _ in range(count):
            name = self._text(TENSOR_NAME_MAX)
            if name in names:
                raise damaged(Flaw.GGUF_TENSOR_TWICE, tensor=name)
            names.add(name)
            dimensions = self._number(4)
            if dimensions > DIMENSIONS_MAX:
                raise damaged(Flaw.GGUF_DIMENSIONS, tensor=name, count=dimensions)
            shape = [self._number(8) for _ in range(dimensions)]
            kind, offset = self._number(4), self._number(8)
            spans.append((offset, offset + _bytes(name, kind, shape), name))
            if offset % self.alignment:
                raise damaged(Flaw.GGUF_NOT_ALIGNED, tensor=name)
            self._bounded()
        return spans

    def _geometry(self, spans: list[tuple[int, int, str]]) -> None:
        """Hold the places of the tensors against the size of the file.

        The reference implementation wants each tensor right after the one before, padded to the
        alignment; writers pad the last one too, or do not. Without tensors it is a vocabulary, or
        the first part of a model.
        """
        room = self.window.size - _padded(self.window.at, self.alignment)
        if not spans:
            if room > 0:
                raise damaged(Flaw.TENSORS_NONE_BUT_BYTES, count=room)
            return
        spans.sort()
        if spans[0][0] != 0:
            raise damaged(Flaw.TENSORS_HOLE_BEFORE, tensor=spans[0][2])
        for left, right in pairwise(spans):
            if right[0] != _padded(left[1], self.alignment):
                overlap = right[0] < left[1]
                flaw = Flaw.TENSORS_OVERLAP if overlap else Flaw.TENSORS_HOLE_BETWEEN
                raise damaged(flaw, left=left[2], right=right[2])
        end = spans[-1][1]
        if end > room:
            raise damaged(Flaw.BYTES_MISSING, count=end - room)
        if room > _padded(end, self.alignment):
            raise damaged(Flaw.TENSORS_BYTES_AFTER, count=room - end)


def _bytes(name: str, kind: int, shape: list[int]) -> int:
    if kind not in BLOCKS:
        raise wrong(Flaw.TENSOR_TYPE_UNKNOWN, tensor=name, type=kind)
    block, size = BLOCKS[kind]
    values = prod(shape)
    if (shape[0] if shape else 1) % block:
        raise damaged(Flaw.GGUF_SHAPE, tensor=name)
    return values // block * size


def _padded(place: int, alignment: int) -> int:
    return place + -place % alignment
