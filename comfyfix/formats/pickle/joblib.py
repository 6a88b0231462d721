"""joblib's pickles: the bytes of an array follow the object that describes it, in the stream."""

from __future__ import annotations

from math import prod
from typing import Any, BinaryIO

from comfyfix.formats.finding import Refused, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle.kinds import ARRAY, OBJECT_DTYPE, VALUE, Box, Group, Made, Plain, kinds
from comfyfix.formats.pickle.machine import Machine
from comfyfix.formats.pickle.source import Source
from comfyfix.formats.pickle.states import is_shape, width_of

_ARRAY = Plain(VALUE | ARRAY)


def walk(stream: BinaryIO, size: int) -> Machine:
    """Follow a pickle as joblib reads it. Raises Refused."""
    stream.seek(0)
    machine = Machine(Source(stream, size), arrays=_array)
    machine.run()
    return machine


def _array(machine: Machine, state: Box) -> Any:
    """Pass over the bytes of an array, or follow the pickle of one that holds objects."""
    source = machine.source
    if source.at < source.frame_end:  # joblib would take the bytes from behind this part
        raise machine.harmful(Flaw.PICKLE_ARRAY_IN_FRAME)
    attributes = dict(state.odd)
    shape, dtype = attributes.get("shape"), attributes.get("dtype")
    if not isinstance(shape, Group) or shape.items is None or not isinstance(dtype, Made):
        raise machine.harmful(Flaw.PICKLE_ARRAY_NOT_DESCRIBED)
    if kinds(dtype) & OBJECT_DTYPE:
        return _objects(machine)
    if not is_shape(shape.items):
        raise machine.harmful(Flaw.PICKLE_ARRAY_NOT_DESCRIBED)
    if attributes.get("numpy_array_alignment_bytes") is not None:
        source.skip(source.number(1))
    source.skip(prod(shape.items) * width_of(dtype.note))
    return _ARRAY


def _objects(machine: Machine) -> Any:
    inner = Machine(machine.source)
    try:
        value = inner.run()
    finally:
        machine.imports = machine.imports or inner.imports
    if not kinds(value) & ARRAY:
        raise machine.harmful(Flaw.PICKLE_NO_ARRAY)
    return _ARRAY


def check(
    stream: BinaryIO, size: int, plain: Refused | None, *, has_stopped: bool, by_name: bool
) -> None:
    """Judge a pickle with such arrays; `plain` is how another reader's walk has ended.

    By name joblib is its reader (`by_name`). Else it must be one that only joblib can read: that
    walk `has_stopped` at something that no reader gets past. Raises Refused.
    """
    machine = walk(stream, size)
    if machine.source.has_more:
        raise unsafe(Flaw.PICKLE_BYTES_AFTER)
    if by_name:
        return
    if plain is not None and plain.finding.kind == "unsafe":
        raise plain
    if plain is None or not has_stopped:
        raise unsafe(Flaw.PICKLE_READ_TWO_WAYS)
