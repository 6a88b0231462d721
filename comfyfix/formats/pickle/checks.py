"""Checks: the words that the tables are written in, each a question about one value."""

from __future__ import annotations

import re
from typing import Any

from comfyfix.formats.pickle.kinds import (
    ARRAY,
    BOOL,
    BYTES,
    DATA,
    DEVICE,
    DTYPE,
    INT,
    KEY,
    LAYOUT,
    LOSS,
    METADATA,
    MODULE,
    NO_MODULE,
    NO_TENSOR,
    NODE,
    NONE,
    NUMBER,
    NUMPY_DTYPE,
    OBJECT_DTYPE,
    PAIR,
    SCHEME,
    SIZE,
    SPAN,
    STORAGE,
    TENSOR,
    TEXT,
    TYPE_CODE,
    VALUE,
    WHOLE,
    ZONE,
    Box,
    Group,
    in_role,
    kinds,
)
from comfyfix.formats.pickle.rows import Check

LAYERS_MAX = 10_000
_ENCODINGS = ("latin1", "latin-1", "ascii", "utf-8", "utf8")
_LAYOUTS = tuple(
    f"torch.{name}"
    for name in ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc",
                 "_mkldnn", "jagged")
)  # fmt: skip
# As `numpy.dtype.__reduce__` writes them: a letter and bytes.
_NUMPY_CODE = re.compile(r"[biufcSUVMm]\d{1,9}", re.ASCII)
_DEVICE = re.compile(r"(cpu|cuda|mps|meta|xpu)(:\d{1,3})?", re.ASCII)
_OBJECT_CODE = re.compile(r"O\d{0,2}", re.ASCII)


ASKED = {*_ENCODINGS, *_LAYOUTS}
"""Texts that these checks ask for."""


def is_code(text: str) -> bool:
    """Tell whether a text is the code of a type of numpy's, or names a device."""
    return any(pattern.fullmatch(text) for pattern in (_NUMPY_CODE, _DEVICE, _OBJECT_CODE))


def _of(bits: int) -> Check:
    return lambda value: kinds(value) & bits == bits


def _text_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _matching(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _members(bits: int) -> Check:
    """A list or a tuple whose members are all of a kind."""

    def check(value: Any) -> bool:
        listed = isinstance(value, Group) or (isinstance(value, Box) and value.form == "list")
        return listed and value.members & bits == bits

    return check


def _exact_dict(value: Any) -> bool:
    return isinstance(value, Box) and value.form == "dict"


def is_mapping(value: Any) -> bool:
    """Tell whether a value is a dict or an OrderedDict without attributes."""
    plain = isinstance(value, Box) and value.form in ("dict", "OrderedDict")
    return plain and not value.had_state


def _no_hooks(value: Any) -> bool:
    return value is None or (is_mapping(value) and value.is_empty)


def _flags(value: Any) -> bool:
    return value is None or (
        _exact_dict(value) and bool(value.keys & TEXT) and bool(value.members & BOOL)
    )


def _mapping(value: Any) -> bool:
    return _exact_dict(value) and bool(kinds(value) & VALUE)


def _table_of(bit: int) -> Check:
    """A table of a module: names, and under each something of a kind, or nothing."""

    def check(value: Any) -> bool:
        fine = is_mapping(value) and value.keys & TEXT and not value.hidden
        return bool(fine and value.members & bit)

    return check


def _quantizer(value: Any) -> bool:
    if not isinstance(value, Group) or not value.items:
        return False
    scheme, *others = value.items
    single = len(others) == 2 and all(kinds(v) & NUMBER for v in others)  # noqa: PLR2004 - scale, zero
    lists = (_of(TENSOR), _members(NUMBER))
    several = len(others) == 3 and kinds(others[2]) & INT  # noqa: PLR2004 - and an axis
    several = several and all(any(check(v) for check in lists) for v in others[:2])
    return bool(kinds(scheme) & SCHEME) and bool(single or several)


def _sparse(value: Any) -> bool:
    """Indices and values, a size, and whether they are coalesced."""
    if not isinstance(value, Group) or value.items is None:
        return False
    tensors = [kinds(v) & TENSOR for v in value.items]
    at = tensors.index(0) if 0 in tensors else -1
    if at not in (2, 3):
        return False
    size, *others = value.items[at:]
    fine = all(v is None or kinds(v) & BOOL for v in others) and len(others) <= 1
    return fine and CHECKS["ints"](size)


def _zero_sized(value: Any) -> bool:
    return isinstance(value, Group) and value.items == (0,)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LAYERS_MAX


_INTS = _members(INT)
CHECKS: dict[str, Check] = {
    "none": _of(NONE),
    "bool": _of(BOOL),
    "int": lambda value: bool(kinds(value) & (INT | BOOL)),
    "count": _count,
    "number": _of(NUMBER),
    "text": _of(TEXT),
    "bytes": _of(BYTES),
    "key": _of(KEY),
    "data": _of(DATA),
    "value": _of(VALUE),
    "ints": lambda value: bool(kinds(value) & SIZE) or _INTS(value),
    "keys": _members(KEY),
    "values": _members(VALUE),
    "pairs": _members(PAIR),
    "mapping": _mapping,
    "hooks": _no_hooks,
    "flags": _flags,
    "encoding": _text_of(*_ENCODINGS),
    "layout_name": _text_of(*_LAYOUTS),
    "code": _matching(_NUMPY_CODE),
    "object_code": _matching(_OBJECT_CODE),
    "tensor": _of(TENSOR),
    "storage": _of(STORAGE),
    "array": _of(ARRAY),
    "dtype": _of(DTYPE),
    "layout": _of(LAYOUT),
    "scheme": _of(SCHEME),
    "device": _of(DEVICE),
    "host": lambda value: bool(kinds(value) & DEVICE) and value.note in ("cpu", "meta"),
    "device_name": _matching(_DEVICE),
    "whole": _of(TENSOR | WHOLE),
    "numpy_dtype": _of(NUMPY_DTYPE),
    "object_dtype": _of(OBJECT_DTYPE),
    "zone": _of(ZONE),
    "span": _of(SPAN),
    "metadata": _of(METADATA),
    "parent": lambda value: value is None or bool(kinds(value) & NODE),
    "module": _of(MODULE),
    "loss": _of(LOSS),
    "tensors": _table_of(NO_TENSOR),
    "modules": _table_of(NO_MODULE),
    "quantizer": _quantizer,
    "sparse": _sparse,
    "zero_sized": _zero_sized,
    "type_code": lambda value: value is TYPE_CODE or value == "b",
    "ndarray": in_role("ndarray"),
    "factory": in_role("factory"),
    "object": in_role("object"),
    "activation": in_role("activation"),
    "annotation": in_role("annotation"),
}
"""Word → check, as the signatures use them."""
