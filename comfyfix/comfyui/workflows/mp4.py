"""Texts inside MP4 and MOV files: the tags of ComfyUI's own nodes and of ffmpeg.

Boxes are walked with seeks, so that a video of gigabytes costs a few reads. Two ways of tagging
are in use: `keys` beside `ilst` (any name, what ComfyUI's SaveVideo writes), and the fixed names of
iTunes, of which the comment may hold JSON. Source: ISO/IEC 14496-12 and Apple's QuickTime format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

TEXT_MAX = 32 << 20  # bytes of one tag
BOXES_MAX = 10_000
_CONTAINERS = (b"moov", b"udta", b"meta", b"ilst")
_COMMENTS = (b"\xa9cmt", b"desc", b"ldes")


def texts(stream: BinaryIO, size: int) -> dict[str, str]:
    """Every text tag by its name in lower case; the comment is called `comment`."""
    keys: list[str] = []
    tags: dict[str, str] = {}
    for kind, start, end in _boxes(stream, 0, size, ()):
        if kind == b"keys":
            keys = _keys(_bytes(stream, start, end))
        elif kind == b"data":
            continue
        elif kind in _COMMENTS:
            _keep(tags, "comment", _data(stream, start, end))
        elif 0 < (number := int.from_bytes(kind, "big")) <= len(keys):
            _keep(tags, keys[number - 1], _data(stream, start, end))
    return tags


def _keep(tags: dict[str, str], name: str, text: str) -> None:
    if text:
        tags.setdefault(name, text)


def _boxes(
    stream: BinaryIO, start: int, end: int, path: tuple[bytes, ...]
) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, first byte of the content, end) of every box that can hold tags."""
    count = 0
    while start + 8 <= end and count < BOXES_MAX:
        count += 1
        stream.seek(start)
        head = stream.read(16)
        if len(head) < 8:  # noqa: PLR2004 - size and kind
            return
        length, kind = struct.unpack(">I4s", head[:8])
        content = start + 8
        if length == 1 and len(head) == 16:  # noqa: PLR2004 - a 64-bit size follows
            length, content = struct.unpack(">Q", head[8:])[0], start + 16
        stop = start + length if length else end
        if stop > end or stop <= start or content > stop:
            return
        if kind in _CONTAINERS and len(path) < len(_CONTAINERS):
            # QuickTime's `meta` has no version in front of its boxes, that of MP4 has.
            skip = 4 if kind == b"meta" and head[12:16] != b"hdlr" else 0
            yield from _boxes(stream, content + skip, stop, (*path, kind))
        elif path:
            yield kind, content, stop
        start = stop


def _bytes(stream: BinaryIO, start: int, end: int) -> bytes:
    if end - start > TEXT_MAX:
        return b""
    stream.seek(start)
    return stream.read(end - start)


def _keys(data: bytes) -> list[str]:
    keys: list[str] = []
    at = 8  # after version and count
    while at + 8 <= len(data) and len(keys) < BOXES_MAX:
        (length,) = struct.unpack(">I", data[at : at + 4])
        if length < 8:  # noqa: PLR2004 - size and namespace
            break
        keys.append(data[at + 8 : at + length].decode("utf-8", "replace").lower())
        at += length
    return keys


def _data(stream: BinaryIO, start: int, end: int) -> str:
    """The text of an `ilst` entry: a `data` box with type and locale in front."""
    data = _bytes(stream, start, end)
    if data[4:8] != b"data":
        return ""
    return data[16 : int.from_bytes(data[:4], "big")].decode("utf-8", "replace")
