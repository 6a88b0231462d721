"""safetensors: the header tells every byte of the file, so damage shows without a hash.

Layout: 8 bytes length of the header (little endian), the header in JSON, padded with spaces, then
the tensors, without holes, overlaps or a tail. The header is walked entry by entry: no tree is
built of it, so that its nesting and its size cost nothing, and a key written twice is seen.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from math import prod
from typing import BinaryIO

import msgspec

from comfyfix.formats.finding import Finding, Refused, damaged, unsafe, wrong
from comfyfix.formats.flaws import Flaw

HEADER_MAX = 25_000_000
"""Bytes. The reference library reads 100 MB; the Hub refuses to read more than this."""
METADATA_MAX = 10_000_000
"""Bytes. Trainers write every tag of every picture into a LoRA, about 200 bytes a picture: this is
fifty thousand pictures. What is longer is no description any more."""
ENTRY_MAX = 4096  # bytes of one tensor's entry
NAME_MAX = 1024  # characters of a tensor's name
DIMENSIONS_MAX = 64
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip

_SPACES = b" \t\r\n"  # of JSON; the reference library takes them before the header too
_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'[ \t\r\n]*+"((?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+)"')
_ENTRY = re.compile(rb"\{[^{}\\]{0,%d}\}" % ENTRY_MAX)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LEADS_OUT = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:[/\\]")
Span = tuple[int, int]


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def check(stream: BinaryIO, size: int) -> Finding | None:
    """Say what is wrong with a safetensors file of `size` bytes."""
    try:
        length = int.from_bytes(stream.read(8), "little")
        if size < 10 or length > size - 8:  # noqa: PLR2004 - 8 bytes and `{}`
            raise damaged(Flaw.SAFETENSORS_CUT)
        if length > HEADER_MAX:
            raise unsafe(Flaw.SAFETENSORS_LONG_HEADER, count=length)
        text = stream.read(length)
        if not text.lstrip(_SPACES).startswith(b"{"):
            raise damaged(Flaw.SAFETENSORS_NO_HEADER)
        _geometry(_Header(text).tensors(), size - 8 - length)
    except Refused as refused:
        return refused.finding
    return None


class _Header:
    """The header's text, and how far it has been walked."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = text.index(b"{") + 1

    def tensors(self) -> list[tuple[str, Span]]:
        """Walk the header to its end; return name and place of each tensor."""
        found: dict[str, Span] = {}
        metadata = False
        while (name := self._key(first=not found and not metadata)) is not None:
            if name == "__metadata__":
                if metadata:
                    raise unsafe(Flaw.SAFETENSORS_METADATA_TWICE)
                metadata = True
                self._metadata()
            elif name in found:
                raise unsafe(Flaw.SAFETENSORS_TENSOR_TWICE, tensor=name)
            else:
                found[name] = self._tensor(name)
        if self.text[self.at :].strip(_SPACES):
            raise damaged(Flaw.SAFETENSORS_MORE_IN_HEADER, place=8 + self.at)
        return list(found.items())

    def _mark(self) -> bytes:
        """Pass over spaces; return the next byte without passing it."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def _expect(self, wanted: bytes) -> None:
        if self._mark() != wanted:
            raise damaged(Flaw.SAFETENSORS_DAMAGED, place=8 + self.at)
        self.at += 1

    def _key(self, *, first: bool) -> str | None:
        """Return the next key of the object that is being walked, None at its end."""
        if self._mark() == b"}":
            self.at += 1
            return None
        if not first:
            self._expect(b",")
        name = self._string()
        self._expect(b":")
        return name

    def _string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            raise damaged(Flaw.SAFETENSORS_NO_TEXT, place=8 + self.at)
        self.at = match.end()
        try:
            if b"\\" not in match[1]:
                return match[1].decode()
            value: str = json.loads(f'"{match[1].decode()}"')
            value.encode()
        except ValueError:
            raise damaged(Flaw.SAFETENSORS_UNREADABLE_TEXT, place=8 + self.at) from None
        return value

    def _metadata(self) -> None:
        begin, keys = self.at, set[str]()
        self._expect(b"{")
        while (key := self._key(first=not keys)) is not None:
            if key in keys:
                raise unsafe(Flaw.SAFETENSORS_KEY_TWICE, key=key)
            keys.add(key)
            self._string()
            if self.at - begin > METADATA_MAX:
                raise unsafe(Flaw.SAFETENSORS_LONG_METADATA, most=METADATA_MAX)

    def _tensor(self, name: str) -> Span:
        _require_plain(name)
        self._mark()
        match = _ENTRY.match(self.text, self.at)
        if match is None:
            raise damaged(Flaw.SAFETENSORS_NO_ENTRY, tensor=name)
        try:
            tensor = msgspec.json.decode(match[0], type=_Tensor)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise damaged(Flaw.SAFETENSORS_DAMAGED_ENTRY, tensor=name) from None
        # Each field's name can be there once only; strings inside are short words.
        if any(
            match[0].count(b'"%b"' % field) > 1 for field in (b"dtype", b"shape", b"data_offsets")
        ):
            raise unsafe(Flaw.SAFETENSORS_CONTRADICTS, tensor=name)
        self.at = match.end()
        return _span(name, tensor)


def _require_plain(name: str) -> None:
    """Refuse names that would harm whoever writes tensors to files, or prints them."""
    if len(name) > NAME_MAX:
        raise unsafe(Flaw.TENSOR_NAME_LONG, count=len(name))
    if _LEADS_OUT.search(name):
        raise unsafe(Flaw.TENSOR_NAME_LEADS_OUT, tensor=name)
    if _CONTROLS.search(name):
        raise unsafe(Flaw.TENSOR_NAME_CONTROLS, tensor=name)


def _span(name: str, tensor: _Tensor) -> Span:
    begin, end = tensor.data_offsets
    shape = tensor.shape
    # The bounds keep the product from taking minutes.
    sane = len(shape) <= DIMENSIONS_MAX and all(0 <= extent < 1 << 63 for extent in shape)
    if begin < 0 or end < begin or not sane:
        raise damaged(Flaw.SAFETENSORS_IMPOSSIBLE_PLACE, tensor=name)
    bits = BITS.get(tensor.dtype)
    if bits is None:
        raise wrong(Flaw.TENSOR_TYPE_UNKNOWN, tensor=name, type=tensor.dtype)
    if prod(shape) * bits != (end - begin) * 8:
        raise damaged(Flaw.SAFETENSORS_CONTRADICTS, tensor=name)
    return begin, end


def _geometry(tensors: list[tuple[str, Span]], room: int) -> None:
    if not tensors:
        if room:
            raise damaged(Flaw.TENSORS_NONE_BUT_BYTES, count=room)
        return  # metadata only, as the reference library writes and reads it
    tensors.sort(key=lambda tensor: tensor[1])
    first, last = tensors[0], tensors[-1]
    if first[1][0] != 0:
        raise damaged(Flaw.TENSORS_HOLE_BEFORE, tensor=first[0])
    for left, right in pairwise(tensors):
        if left[1][1] != right[1][0]:
            overlap = left[1][1] > right[1][0]
            flaw = Flaw.TENSORS_OVERLAP if overlap else Flaw.TENSORS_HOLE_BETWEEN
            raise damaged(flaw, left=left[0], right=right[0])
    if last[1][1] > room:
        raise damaged(Flaw.BYTES_MISSING, count=last[1][1] - room)
    if last[1][1] < room:
        raise damaged(Flaw.TENSORS_BYTES_AFTER, count=room - last[1][1])
