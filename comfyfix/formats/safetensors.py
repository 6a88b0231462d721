"""safetensors: the header tells every byte of the file, so damage shows without a hash.

Layout: 8 bytes length of the header (little endian), the header in JSON, then the tensors,
without holes, overlaps or a tail.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any, BinaryIO

import msgspec

HEADER_MAX = 25_000_000  # bytes; the limit that the Hub itself sets
DIMENSIONS_MAX = 64
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def problem(stream: BinaryIO, size: int) -> str:
    """Say what is wrong with a safetensors file of `size` bytes; empty if nothing is."""
    length = int.from_bytes(stream.read(8), "little")
    if size < 10 or length > min(HEADER_MAX, size - 8):  # noqa: PLR2004 - 8 bytes and `{}`
        return "its header is longer than the file: it is cut short or no safetensors file"
    text = stream.read(length)
    if not text.startswith(b"{"):
        return "it has no safetensors header"
    try:
        header: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        header.pop("__metadata__", None)
        tensors = msgspec.convert(header, dict[str, _Tensor])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return "its safetensors header is damaged"
    return _geometry(list(tensors.values()), size - 8 - length)


def _sane(shape: list[int]) -> bool:
    """Tell whether a shape can be one; the bounds keep its product from taking minutes."""
    return len(shape) <= DIMENSIONS_MAX and all(0 <= extent < 1 << 63 for extent in shape)


def _geometry(tensors: list[_Tensor], room: int) -> str:
    if not tensors:
        return "it holds no tensors"
    for tensor in tensors:
        begin, end = tensor.data_offsets
        if begin < 0 or end < begin or not _sane(tensor.shape):
            return "its safetensors header has impossible positions"
        bits = BITS.get(tensor.dtype)
        if bits is not None and prod(tensor.shape) * bits != (end - begin) * 8:
            return "its safetensors header contradicts itself"
    spans = sorted(tensor.data_offsets for tensor in tensors)
    if spans[0][0] != 0 or any(left[1] != right[0] for left, right in pairwise(spans)):
        return "its tensors overlap or leave holes"
    if spans[-1][1] > room:
        return "it is cut short"
    if spans[-1][1] < room:
        return "it has bytes after its last tensor"
    return ""
