"""Instructions that ask an instance for a method: BUILD, ADDITEMS, APPENDS, SETITEM."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.assemble import (
    BUILD,
    DUP,
    EMPTY_DICT,
    EMPTY_TUPLE,
    MARK,
    MEMOIZE,
    NEWOBJ_EX,
    NONE,
    OBJ,
    P4,
    POP,
    SETITEM,
    Value,
    call,
    mapping,
    named,
    new,
    pack,
    sequence,
    text,
)
from tests.proof.hostile.asked import ATTRIBUTE_DICTS, HOLDERS, NAMESPACE, ODICT
from tests.proof.hostile.gadgets import config, model
from tests.proof.hostile.wrapped import in_turn
from tests.proof.samples import Sample

KEY = "__setstate__"


def makers() -> dict[str, Value]:
    """Objects that have attributes of their own, made in every way that there is."""
    plain = "builtins.object"
    return {
        "namespace": new(HOLDERS[0]),
        "iterable": new(HOLDERS[1]),
        "simple": call(NAMESPACE),
        "simple_newobj": new(NAMESPACE),
        "odict": call(ODICT),
        "odict_newobj": new(ODICT),
        "counter": call("collections.Counter"),
        "defaultdict": call("collections.defaultdict"),
        "deque": call("collections.deque"),
        "attributes": call(ATTRIBUTE_DICTS[0]),
        "attributes_fabric": new(ATTRIBUTE_DICTS[1]),
        "version": call("torch.torch_version.TorchVersion", "1"),
        "newobj_ex": named(HOLDERS[0]) + EMPTY_TUPLE + EMPTY_DICT + NEWOBJ_EX,
        "obj": MARK + named(NAMESPACE) + OBJ,
        "inst": MARK + b"itypes\nSimpleNamespace\n",
        "reconstructor": call("copyreg._reconstructor", named(HOLDERS[0]), named(plain), NONE),
        "newobj_func": call("copyreg.__newobj__", named(HOLDERS[0])),
        "called": call(HOLDERS[0]),
        "loss": new("ultralytics.utils.loss.v8DetectionLoss"),
        "metadata": new("omegaconf.base.Metadata"),
        "parameter": call("torch.nn.parameter.Parameter"),
        "path": call("pathlib.PurePosixPath", "x"),
        "code": new("ultralytics.utils.loss.E2EDetectLoss"),
    }


def attributes(key: Value, item: Value) -> dict[str, Value]:
    """States that give an object one attribute, in every spelling."""
    return {
        "dict": EMPTY_DICT + MARK + key + item + b"u",
        "setitem": EMPTY_DICT + key + item + SETITEM,
        "marked": MARK + key + item + b"d",
        "slots": pack(NONE, EMPTY_DICT + key + item + SETITEM),
        "both": pack(
            EMPTY_DICT + text("a") + text("b") + SETITEM, EMPTY_DICT + key + item + SETITEM
        ),
        "odict": call(ODICT) + key + item + SETITEM,
        "pairs": call(ODICT, sequence(pack(key, item))),
        "counter": call("collections.Counter") + key + item + SETITEM,
    }


def keys() -> dict[str, Value]:
    """Ways to write the name of the attribute."""
    plain = KEY.encode()
    return {
        "text": text(KEY),
        "short": b"\x8c" + bytes([len(KEY)]) + plain,
        "long": b"\x8d" + len(KEY).to_bytes(8, "little") + plain,
        "line": b"V" + plain + b"\n",
        "escaped": b"V\\u005f_setstate__\n",
        "quoted": b"S'" + plain + b"'\n",
        "quoted_escape": b"S'\\x5f_setstate__'\n",
        "ascii": b"U" + bytes([len(KEY)]) + plain,
        "decoded": call("_codecs.decode", b"C\x0c" + plain),
        "memo": text(KEY) + b"q\x07" + POP + b"h\x07",
        "version": call("torch.torch_version.TorchVersion", KEY),
        "string": call("builtins.str", KEY),
    }


def samples() -> Iterator[Sample]:
    """Yield tries."""
    family = "a second BUILD calls what the first one set"
    for turn, (name, made) in enumerate(makers().items()):
        for how, state in list(attributes(text(KEY), model(turn)).items())[turn % 2 :: 2]:
            built = made + state + BUILD + config() + BUILD
            yield from in_turn(f"setstate_{name}_{how}", family, built, turn, P4)
    for turn, (name, key) in enumerate(keys().items()):
        state = attributes(key, model(turn))["dict"]
        built = new(HOLDERS[turn % 2]) + state + BUILD + config() + BUILD
        yield from in_turn(f"setstate_key_{name}", family, built, turn, P4)
    yield from _detours()


def _detours() -> Iterator[Sample]:
    """The second BUILD is far from the first."""
    family = "BUILD twice, by a detour"
    set_it = mapping(__setstate__=model()) + BUILD
    again = config() + BUILD
    tricks: dict[str, Value] = {
        "memo": new(HOLDERS[0]) + b"q\x01" + set_it + POP + b"h\x01" + again,
        "dup": new(HOLDERS[0]) + DUP + set_it + POP + again,
        "in_list": MARK + new(HOLDERS[0]) + b"q\x01" + set_it + b"h\x01" + again + b"l",
        "in_own_state": new(HOLDERS[0]) + b"q\x01" + mapping(x=b"h\x01" + set_it) + BUILD,
        "in_tuple": pack(new(HOLDERS[0]) + b"q\x01" + set_it, b"h\x01" + again),
        "memo_over": new(HOLDERS[0]) + b"q\x01" + POP + new(HOLDERS[1]) + b"q\x01" + set_it + again,
        "memoize": new(HOLDERS[0]) + MEMOIZE + set_it + POP + b"h\x00" + again,
        "memoize_gap": text("a")
        + b"q\x05"
        + POP
        + new(HOLDERS[0])
        + MEMOIZE
        + set_it
        + POP
        + b"h\x01"
        + again,
        "put_line": new(HOLDERS[0]) + b"p7\n" + set_it + POP + b"g7\n" + again,
        "put_signs": new(HOLDERS[0]) + b"p+0_7\n" + set_it + POP + b"g 7\n" + again,
        "put_long": new(HOLDERS[0])
        + b"r\x00\x01\x00\x00"
        + set_it
        + POP
        + b"j\x00\x01\x00\x00"
        + again,
        "after_pop_mark": new(HOLDERS[0]) + set_it + MARK + text("x") + b"1" + again,
        "state_later": new(HOLDERS[0])
        + EMPTY_DICT
        + b"q\x01"
        + BUILD
        + POP
        + b"h\x01"
        + text("x")
        + text("y")
        + SETITEM,
        "items_after": new(HOLDERS[0])
        + b"q\x01"
        + EMPTY_DICT
        + b"q\x02"
        + text(KEY)
        + model()
        + SETITEM
        + BUILD
        + again,
    }
    for turn, (name, built) in enumerate(tricks.items()):
        yield from in_turn(f"detour_{name}", family, built, turn, P4)
