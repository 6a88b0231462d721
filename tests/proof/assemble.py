"""Pickles put together opcode by opcode: a value is the bytes that build it on the stack."""

from __future__ import annotations

import struct
from collections.abc import Mapping

P2, P4, STOP = b"\x80\x02", b"\x80\x04", b"."
MARK, EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE, EMPTY_SET = b"(", b"}", b"]", b")", b"\x8f"
REDUCE, BUILD, NEWOBJ, NEWOBJ_EX, OBJ, PERSISTENT = b"R", b"b", b"\x81", b"\x92", b"o", b"Q"
SETITEM, SETITEMS, APPEND, APPENDS, ADDITEMS = b"s", b"u", b"a", b"e", b"\x90"
POP, POP_MARK, DUP, MEMOIZE, STACK_GLOBAL, FROZENSET = b"0", b"1", b"2", b"\x94", b"\x93", b"\x91"
NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"

Value = bytes
Plain = bytes | str | int | float | None


def value(of: Plain) -> Value:
    """Build a plain value; bytes are taken as a value that is built already."""
    if isinstance(of, bytes):
        return of
    if of is None:
        return NONE
    if isinstance(of, bool):
        return TRUE if of else FALSE
    if isinstance(of, int):
        return number(of)
    if isinstance(of, float):
        return b"G" + struct.pack(">d", of)
    return text(of)


def number(told: int) -> Value:
    """BININT1, BININT, or LONG1 for what is larger."""
    if 0 <= told < 256:
        return b"K" + bytes([told])
    if -(2**31) <= told < 2**31:
        return b"J" + struct.pack("<i", told)
    data = told.to_bytes(told.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def text(told: str) -> Value:
    """BINUNICODE."""
    data = told.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def raw(told: bytes) -> Value:
    """SHORT_BINBYTES or BINBYTES."""
    if len(told) < 256:
        return b"C" + bytes([len(told)]) + told
    return b"B" + struct.pack("<I", len(told)) + told


def named(dotted: str) -> Value:
    """GLOBAL of `module.name`; a space parts the two where the name has dots itself."""
    module, _, name = dotted.rpartition(" " if " " in dotted else ".")
    return b"c" + f"{module}\n{name}\n".encode()


def on_stack(module: Plain, name: Plain) -> Value:
    """STACK_GLOBAL."""
    return value(module) + value(name) + STACK_GLOBAL


def pack(*items: Plain) -> Value:
    """Build a tuple."""
    built = [value(item) for item in items]
    short = {0: EMPTY_TUPLE, 1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(built))
    return b"".join(built) + short if short else MARK + b"".join(built) + b"t"


def sequence(*items: Plain) -> Value:
    """Build a list."""
    return EMPTY_LIST + MARK + b"".join(value(item) for item in items) + APPENDS


def mapping(pairs: Mapping[str, Plain] | None = None, **named_pairs: Plain) -> Value:
    """Build a dict whose keys are texts."""
    return keyed(*{**(pairs or {}), **named_pairs}.items())


def keyed(*pairs: tuple[Plain, Plain]) -> Value:
    """Build a dict whose keys are any values."""
    if not pairs:
        return EMPTY_DICT
    return EMPTY_DICT + MARK + b"".join(value(k) + value(v) for k, v in pairs) + SETITEMS


def call(what: str | bytes, *arguments: Plain) -> Value:
    """REDUCE of a name, or of a value that is built already."""
    return (named(what) if isinstance(what, str) else what) + pack(*arguments) + REDUCE


def new(what: str) -> Value:
    """Build an object without its `__init__`: NEWOBJ."""
    return named(what) + EMPTY_TUPLE + NEWOBJ


def instance(what: str, state: Plain = None, **attributes: Plain) -> Value:
    """Build an object without its `__init__`, and give it attributes: NEWOBJ, BUILD."""
    return new(what) + (mapping(attributes) if state is None else value(state)) + BUILD
