"""BUILD, and the end: whether an object may have a state, and a pickle a value."""

from __future__ import annotations

from math import prod
from typing import Any

from comfyfix.formats.pickle.checks import CHECKS
from comfyfix.formats.pickle.kinds import (
    BYTES,
    KEY,
    MODULE,
    NUMPY_DTYPE,
    OBJECT_DTYPE,
    TEXT,
    VALUE,
    Box,
    Group,
    Made,
    kinds,
)
from comfyfix.formats.pickle.rows import Fields

# numpy's flags of a type. 63 is what objects have: with another number their addresses would be
# taken from the file. Others may ask for zeros at first, use Python's lock, be aligned.
_OBJECT_FLAGS = 63
_PLAIN_FLAGS = 8 | 16 | 128
_VERSIONS = (3, 4)
_TABLES = ("_parameters", "_buffers", "_modules")
_DIMENSIONS_MAX = 64
_FIELDS_MAX = 200
_RECORD_MAX = 1 << 20  # bytes of one item


def may_have_state(target: Made | Box, state: Any) -> bool:
    """Tell whether this object may be given this state."""
    row = target.row
    if row is None or target.had_state:
        return False
    if isinstance(row.state, Fields):
        return _fits_fields(row.state, state)
    if not isinstance(state, Group) or not isinstance(target, Made) or state.items is None:
        return False
    if row.state == "array":
        return _fits_array(state.items)
    return row.state == "dtype" and _fits_dtype(target, state.items)


def changes_state(target: Made | Box) -> bool:
    """Tell whether the class of an object writes into the state that it is given."""
    fields = target.row.state if target.row is not None else None
    return isinstance(fields, Fields) and fields.changes


def _fits_fields(fields: Fields, state: Any) -> bool:
    """Attributes by name: all are values, but for those that have a check of their own."""
    if not isinstance(state, Box) or state.form != "dict":
        return False
    if state.hidden or not state.keys & TEXT:
        return False
    if fields.changes and state.used:  # what it was used for would change as well
        return False
    if not state.odd:
        return bool(state.members & VALUE)
    return all(_fits(fields, key, value) for key, value in state.odd)


def _fits(fields: Fields, key: Any, value: Any) -> bool:
    if key in _TABLES and isinstance(value, Box) and _answers(value, fields):
        return False
    check = fields.checks.get(key)
    return bool(kinds(value) & VALUE) if check is None else check(value)


def _answers(table: Box, fields: Fields) -> bool:
    """Tell whether a table of a module has what its class reads: it would be found there."""
    return any(key in fields.reads for key, _ in table.odd)


def _fits_array(items: tuple[Any, ...]) -> bool:
    """Version, shape, type, order, content: bytes, or a list of values where it holds objects."""
    if len(items) != 5:  # noqa: PLR2004 - as numpy writes them
        return False
    version, shape, of, in_columns, content = items
    if not all(CHECKS["int"](value) for value in (version, in_columns)):
        return False
    places = _places(shape)
    if places is None:
        return False
    if kinds(of) & OBJECT_DTYPE:  # numpy takes as many as it has places, whether they are there
        listed = isinstance(content, Box) and content.form == "list" and content.count == places
        return listed and CHECKS["values"](content)
    return bool(kinds(of) & NUMPY_DTYPE and kinds(content) & (BYTES | TEXT))


def is_shape(shape: Any) -> bool:
    """Tell whether a value is a shape that numpy could make an array of."""
    return (
        isinstance(shape, tuple)
        and len(shape) <= _DIMENSIONS_MAX
        and all(type(extent) is int and 0 <= extent < 1 << 63 for extent in shape)
    )


def _places(shape: Any) -> int | None:
    """Return how many members an array of this shape has, None for what is no shape."""
    match shape:
        case Group(items=tuple() as extents) if is_shape(extents):
            return int(prod(extents))
    return None


def _fits_dtype(target: Made, items: tuple[Any, ...]) -> bool:
    """Version, order of bytes, base, names, fields, bytes, alignment, flags, and units of time."""
    if len(items) not in (8, 9) or items[0] not in _VERSIONS:
        return False
    _, order, base, names, fields, size, alignment, flags = items[:8]
    numbers = all(type(value) is int for value in (size, alignment, flags))
    if not numbers or order not in ("<", ">", "|", "="):
        return False
    if len(items) == 9 and not CHECKS["data"](items[8]):  # noqa: PLR2004 - units of time
        return False
    letter, width = target.note[:1], width_of(target.note)
    plain = base is None and names is None and fields is None
    if letter == "O":
        return plain and flags == _OBJECT_FLAGS
    if flags & ~_PLAIN_FLAGS:
        return False
    if letter not in "SUV":
        return plain
    if size != width or width > _RECORD_MAX:
        return False
    if letter != "V" or plain:
        return plain
    if base is not None:
        return names is None and fields is None and _fits_base(base, width)
    return _fits_record(names, fields, width)


def _fits_base(base: Any, width: int) -> bool:
    """Several of another type: that type and a shape."""
    match base:
        case Group(items=(Made() as of, shape)) if _is_finished(of):
            places = _places(shape)
            return places is not None and places * width_of(of.note) == width
    return False


def _fits_record(names: Any, fields: Any, width: int) -> bool:
    """Fields of a record: each a plain type at a place inside it."""
    if not isinstance(names, Group) or not isinstance(fields, Box) or fields.form != "dict":
        return False
    if names.items is None or not len(fields.odd) == fields.count == len(names.items):
        return False
    if fields.count > _FIELDS_MAX or not all(type(key) is str for key, _ in fields.odd):
        return False
    fields_there = {key for key, _ in fields.odd}
    inside = all(_fits_field(value, width) for _, value in fields.odd)
    return inside and all(isinstance(name, str) and name in fields_there for name in names.items)


def _fits_field(value: Any, width: int) -> bool:
    """A field: its type and where it begins."""
    match value:
        case Group(items=(Made() as of, int() as begin)) if _is_finished(of):
            return 0 <= begin <= width - width_of(of.note)
    return False


def _is_finished(of: Made) -> bool:
    """Tell whether a plain type has all its parts, so that no type is ever a part of itself."""
    return bool(kinds(of) & NUMPY_DTYPE) and (of.had_state or of.note[:1] != "V")


def width_of(code: str) -> int:
    """Return the bytes of an item of a plain type, of which `numpy.dtype` was told the code."""
    return int(code[1:] or 1) * (4 if code[:1] == "U" else 1)


def is_root(value: Any) -> bool:
    """Tell whether a pickle may be of this: a value, a module, or a dict of both.

    What Lightning keeps of its callbacks, under their classes, may be in such a dict.
    """
    if kinds(value) & (VALUE | MODULE):
        return True
    if not isinstance(value, Box) or value.form != "dict" or not value.keys & KEY:
        return False
    return all(_is_entry(key, entry) for key, entry in value.odd)


def _is_entry(key: Any, value: Any) -> bool:
    if kinds(value) & (VALUE | MODULE):
        return True
    callbacks = isinstance(value, Box) and value.form == "dict" and not value.keys & KEY
    return key == "callbacks" and callbacks and bool(value.members & VALUE)
