"""Instructions that are rare but sound, in front of a call."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.proof.assemble import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_SET,
    EMPTY_TUPLE,
    MARK,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    P4,
    POP,
    REDUCE,
    SETITEM,
    SETITEMS,
    STOP,
    Value,
    call,
    mapping,
    named,
    number,
    pack,
    raw,
    sequence,
    text,
)
from tests.proof.hostile.files import RUN
from tests.proof.hostile.gadgets import hooked
from tests.proof.hostile.wrapped import in_turn
from tests.proof.samples import Sample


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _odd_steps()


def _odd_steps() -> Iterator[Sample]:
    family = "an instruction that is rare but sound, before the call"
    array = call("builtins.bytearray")
    listed = EMPTY_LIST + MARK + number(1) + number(2) + APPENDS
    loud = POP + RUN
    odd: dict[str, Value] = {
        "setitem_list": listed + number(0) + text("x") + SETITEM,
        "setitems_list": listed + MARK + number(0) + text("x") + number(1) + text("y") + SETITEMS,
        "setitem_bytearray": call("builtins.bytearray", raw(b"ab"))
        + number(0)
        + number(1)
        + SETITEM,
        "extend_bytearray": array + MARK + number(1) + APPENDS,
        "append_bytearray": array + number(1) + APPEND,
        "append_deque": call("collections.deque") + number(1) + APPEND,
        "extend_deque": call("collections.deque") + MARK + number(1) + APPENDS,
        "append_set": call("builtins.set") + MARK + ADDITEMS,
        "additems_set": call("builtins.set") + MARK + number(1) + ADDITEMS,
        "appends_nothing": EMPTY_LIST + MARK + APPENDS,
        "append_counter": call("collections.Counter") + text("a") + number(1) + SETITEM,
        "setitem_slice": listed + call("builtins.slice", 0, 1) + listed + SETITEM,
        "build_none": call("argparse.Namespace") + mapping() + BUILD,
        "build_empty_pair": call("argparse.Namespace") + pack(None, None) + BUILD,
        "build_false": call("argparse.Namespace") + pack(mapping(), 0) + BUILD,
        "pop_mark": MARK + number(1) + b"1" + NONE,
        "pop_mark_by_pop": NONE + MARK + POP,
        "pop_below": MARK + NONE + POP + POP + NONE,
        "long_empty": b"\x8a\x00",
        "long_text": b"L0x10L\n",
        "long_plain": b"L1_000L\n",
        "int_spaces": b"I  7 \n",
        "int_true": b"I01\n",
        "float_text": b"Fnan\n",
        "float_spaces": b"F 1_0.5 \n",
        "string_empty": b"S''\n",
        "quoted_spaces": b"S'x'  \n",
        "unicode_surrogate": b"X\x03\0\0\0\xed\xa0\x80",
        "unicode_raw": b"V\\ud800\n",
        "frame_wide": b"\x95" + struct.pack("<Q", 2) + NONE + POP + NONE,
        "proto_later": NONE + b"\x80\x03",
        "put_large": NONE + b"r\x10\x27\0\0",
        "put_text": NONE + b"p 1_0\n",
        "get_text": NONE + b"p10\n" + POP + b"g+1_0\n",
        "newobj_ex": named("builtins.int") + pack(5) + EMPTY_DICT + NEWOBJ_EX,
        "newobj_int": named("builtins.int") + EMPTY_TUPLE + NEWOBJ,
        "reduce_list": named("builtins.list") + pack(pack(1, 2)) + REDUCE,
        "set_filled": EMPTY_SET + MARK + number(1) + ADDITEMS,
        "dict_odd": MARK + b"d",
        "dup": NONE + b"2" + POP,
        "readonly": raw(b"x") + b"\x98",
        "object": named("builtins.object") + EMPTY_TUPLE + REDUCE,
        "empty_dict_item": EMPTY_DICT + MARK + SETITEMS,
    }
    for turn, (name, built) in enumerate(odd.items()):
        yield from in_turn(f"odd_step_{name}", family, built + loud, turn, P4)
        yield Sample(f"odd_step_{name}.unknown", family, "pickle.load", P4 + built + loud + STOP)
        if turn % 2:
            yield Sample(f"odd_step_{name}.npy", family, "numpy.load", P4 + built + loud + STOP)
        else:
            quiet = hooked()
            size = call("builtins.set", sequence(number(1))) + POP + quiet + EMPTY_TUPLE + REDUCE
            data = P4 + built + POP + size + STOP
            yield Sample(f"odd_step_{name}_quiet.dat", family, "joblib.load", data)
