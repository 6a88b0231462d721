"""NumPy's files: a header in Python's own notation, then the array, or a pickle of its objects."""

from __future__ import annotations

import ast
import io
import re
from math import prod
from typing import Any, BinaryIO

from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle.kinds import ARRAY, kinds
from comfyfix.formats.pickle.machine import Machine
from comfyfix.formats.pickle.source import Source
from comfyfix.formats.pickle.states import is_shape

MAGIC = b"\x93NUMPY"
HEADER_MAX = 65_536  # bytes; numpy itself reads no more than ten thousand unless it is told to
_WIDTHS = {1: 2, 2: 4, 3: 4}  # version → bytes of the header's length
_KEYS = {"descr", "fortran_order", "shape"}
_PLAIN = re.compile(r"[<>|=]?[?biufcSUVMm](\d{1,9})?(\[[0-9A-Za-z/]{1,16}\])?", re.ASCII)
_OBJECT = re.compile(r"[<>|=]?O\d{0,2}", re.ASCII)
_PYTHON2 = re.compile(r"(?<=\d)L\b")
_DEPTH_MAX = 8


def check(stream: BinaryIO, size: int, start: int = 0) -> None:
    """Look at an array that begins where the stream stands and has `size` bytes. Raises Refused."""
    source = Source(stream, size, start)
    width = header(source)
    if width is None:
        _check_objects(source)
    elif width > source.left:
        raise damaged(Flaw.BYTES_MISSING, count=width - source.left)
    elif width < source.left:
        raise damaged(Flaw.NPY_BYTES_AFTER, count=source.left - width)


def header(source: Source) -> int | None:
    """Read the header; return the bytes of the array, None if it holds objects. Raises Refused."""
    if source.take(len(MAGIC)) != MAGIC:
        raise damaged(Flaw.NPY_NO_START)
    version, _ = source.take(2)
    if version not in _WIDTHS:
        raise damaged(Flaw.NPY_VERSION_UNKNOWN, version=version)
    length = source.number(_WIDTHS[version])
    if length > HEADER_MAX:
        raise unsafe(Flaw.NPY_LONG_HEADER, count=length)
    fields = _literal(source.take(length).decode("latin-1"))
    shape, descr = fields["shape"], fields["descr"]
    if not is_shape(shape) or type(fields["fortran_order"]) is not bool:
        raise _odd()
    width = _item_bytes(descr, 0)
    return None if width is None else width * prod(shape)


def _odd() -> Refused:
    """Return the end of a reading: numpy reads more than it writes, and may find objects there."""
    return unsafe(Flaw.NPY_ODD_HEADER)


def _literal(text: str) -> dict[str, Any]:
    try:
        fields = ast.literal_eval(_PYTHON2.sub("", text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise _odd() from None
    if not isinstance(fields, dict) or fields.keys() != _KEYS:
        raise _odd()
    return fields


def _item_bytes(descr: Any, depth: int) -> int | None:
    """Return the bytes of one item; None if it is an object. Raises Refused."""
    if isinstance(descr, str):
        if _OBJECT.fullmatch(descr):
            return None
        found = _PLAIN.fullmatch(descr)
        if found is None or depth > _DEPTH_MAX:
            raise unsafe(Flaw.NPY_TYPE_UNKNOWN, type=descr)
        return int(found[1] or 1) * (4 if "U" in descr else 1)
    if isinstance(descr, tuple) and len(descr) == 2 and isinstance(descr[1], tuple):  # noqa: PLR2004 - type, shape
        return _times(_item_bytes(descr[0], depth + 1), descr[1])
    if isinstance(descr, list):
        widths = [_field_bytes(entry, depth) for entry in descr]
        if None in widths:
            raise unsafe(Flaw.NPY_RECORDS_OF_OBJECTS)
        return sum(width or 0 for width in widths)
    raise unsafe(Flaw.NPY_TYPE_ODD)


def _field_bytes(entry: Any, depth: int) -> int | None:
    if not isinstance(entry, tuple) or len(entry) not in (2, 3):
        raise _odd()
    return _times(_item_bytes(entry[1], depth + 1), entry[2] if len(entry) == 3 else ())  # noqa: PLR2004 - with a shape


def _times(width: int | None, shape: Any) -> int | None:
    if not is_shape(shape):
        raise _odd()
    return None if width is None else width * prod(shape)


def _check_objects(source: Source) -> None:
    value = Machine(source).run()
    if not kinds(value) & ARRAY:
        raise unsafe(Flaw.NPY_NO_ARRAY)
    if source.has_more:
        raise unsafe(Flaw.PICKLE_BYTES_AFTER)


def check_head(data: bytes, size: int, start: int) -> None:
    """Look at an array of `size` bytes of which only the first are at hand. Raises Refused."""
    source = Source(io.BytesIO(data), len(data), start)
    width = header(source)
    if width is None:
        raise unsafe(Flaw.NPY_LARGE_OBJECTS)
    if width != size - source.at:
        raise damaged(Flaw.NPY_SIZE)
