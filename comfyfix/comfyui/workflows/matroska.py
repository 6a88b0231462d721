"""Texts inside WebM and Matroska files: the tags that ComfyUI's SaveWEBM and ffmpeg write.

Elements are walked with seeks; clusters of pictures are skipped. Source: RFC 8794 (EBML) and
RFC 9559 (Matroska).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

TEXT_MAX = 32 << 20  # bytes of one tag
ELEMENTS_MAX = 100_000  # a long video has some ten thousand clusters
_SEGMENT, _TAGS, _TAG, _SIMPLE = 0x18538067, 0x1254C367, 0x7373, 0x67C8
_NAME, _STRING = 0x45A3, 0x4487
_INSIDE = {_SEGMENT: 0, _TAGS: 1, _TAG: 2, _SIMPLE: 3}  # element → how deep it may lie


def texts(stream: BinaryIO, size: int) -> dict[str, str]:
    """Every text tag by its name in lower case."""
    tags: dict[str, str] = {}
    name = ""
    for element, start, end in _elements(stream, size):
        if element == _NAME:
            name = _text(stream, start, end).lower()
        elif element == _STRING and name:
            tags.setdefault(name, _text(stream, start, end))
            name = ""
    return tags


def _elements(stream: BinaryIO, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (element, first byte of its content, end) of all tags, whatever surrounds them."""
    pending = [(0, size, 0)]
    for _ in range(ELEMENTS_MAX):
        while pending and pending[-1][0] >= pending[-1][1]:
            pending.pop()
        if not pending:
            return
        start, end, depth = pending.pop()
        stream.seek(start)
        head = stream.read(12)
        element, id_length = _number(head, keep_marker=True)
        length, size_length = _number(head[id_length:], keep_marker=False)
        content = start + id_length + size_length
        if not id_length or not size_length or content > end:
            return
        unknown = length == (1 << (7 * size_length)) - 1
        stop = end if unknown else content + length
        if stop > end:
            return
        pending.append((stop, end, depth))
        if _INSIDE.get(element) == depth:
            pending.append((content, stop, depth + 1))
        elif element in (_NAME, _STRING) and depth > _INSIDE[_SIMPLE]:
            yield element, content, stop
        elif unknown:
            return  # a live recording: its clusters have no end that could be skipped to


def _number(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """A number whose first byte tells its length; (0, 0) if there is none."""
    if not data or not data[0]:
        return 0, 0
    length = 9 - data[0].bit_length()
    if length > len(data) or (keep_marker and length > 4):  # noqa: PLR2004 - the longest id
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return (value if keep_marker else value & ((1 << (7 * length)) - 1)), length


def _text(stream: BinaryIO, start: int, end: int) -> str:
    if end - start > TEXT_MAX:
        return ""
    stream.seek(start)
    return stream.read(end - start).rstrip(b"\0").decode("utf-8", "replace")
