"""Instructions that ask an instance for a method: BUILD, ADDITEMS, APPENDS, SETITEM."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.proof.assemble import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    DUP,
    EMPTY_DICT,
    EMPTY_TUPLE,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    OBJ,
    P2,
    P4,
    POP,
    SETITEM,
    Plain,
    Value,
    call,
    instance,
    mapping,
    named,
    new,
    pack,
    sequence,
    text,
)
from tests.proof.hostile.asked import ATTRIBUTE_DICTS, HOLDERS, NAMESPACE, ODICT
from tests.proof.hostile.gadgets import config, hooked, layers, model, module
from tests.proof.hostile.wrapped import in_turn, wrapped
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
    yield from _methods()
    yield from _classes()


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


def _methods() -> Iterator[Sample]:
    family = "an instruction calls add, append, extend or an item's setter of an instance"
    steps: dict[str, Callable[[Value], Value]] = {
        "additems": lambda item: MARK + item + ADDITEMS,
        "append": lambda item: item + APPEND,
        "appends": lambda item: MARK + item + APPENDS,
        "appends_two": lambda item: MARK + text("x") + item + APPENDS,
    }
    shadows = {"additems": "add", "append": "append", "appends": "extend", "appends_two": "append"}
    turn = 0
    for name, made in list(makers().items())[:12]:
        for step, act in steps.items():
            attribute = shadows[step]
            both: dict[str, Plain] = {attribute: model(turn)}
            if step == "appends":
                both = {"extend": hooked(turn), "append": model(turn)}
            built = made + mapping(both) + BUILD + act(config())
            yield from in_turn(f"{step}_{name}", family, built, turn, P4)
            turn += 1
    family = "an instruction fills a module, which runs its own methods"
    container = "torch.nn.modules.container."
    removed = module(f"{container}ModuleDict", _parameters=instance(HOLDERS[0], discard=hooked()))
    fills = {
        "parameter_dict": module(f"{container}ParameterDict", _keys=hooked())
        + text("x")
        + text("y")
        + SETITEM,
        "slots_on_module": module(f"{container}ModuleDict")
        + pack(NONE, mapping(x=layers()))
        + BUILD,
        "module_list_append": module(f"{container}ModuleList", append=model(1)) + config() + APPEND,
        "module_list_extend": module(f"{container}ModuleList", extend=hooked())
        + MARK
        + config()
        + APPENDS,
        "sequential_add": module(f"{container}Sequential", add=model(2))
        + MARK
        + config()
        + ADDITEMS,
        "set_attribute": removed + pack(NONE, mapping(x=layers())) + BUILD,
        "add_module": module(f"{container}ModuleDict", add_module=hooked())
        + text("x")
        + layers()
        + SETITEM,
    }
    for turn, (name, built) in enumerate(fills.items()):
        yield from in_turn(f"fill_{name}", family, built, turn, P4)


def _classes() -> Iterator[Sample]:
    """BUILD on a class, a function or a module: an attribute of all its objects."""
    family = "BUILD changes a class or a function"
    ns = HOLDERS[0]
    later = POP + call("builtins.set", sequence(new(ns)))
    tricks = {
        "hash": named(ns) + pack(NONE, mapping(__hash__=model())) + BUILD + later,
        "new": named(ns) + pack(NONE, mapping(__new__=hooked())) + BUILD + POP + new(ns),
        "setstate": named(ns)
        + pack(NONE, mapping(__setstate__=model()))
        + BUILD
        + POP
        + new(ns)
        + config()
        + BUILD,
        "getattr": named(ns)
        + pack(NONE, mapping(__getattr__=hooked()))
        + BUILD
        + POP
        + new(ns)
        + mapping(x=1)
        + BUILD,
        "init": named(ns) + pack(NONE, mapping(__init__=hooked())) + BUILD + POP + call(ns),
        "class_of_module": named("torch.nn.modules.linear.Linear")
        + pack(NONE, mapping(__setstate__=model()))
        + BUILD
        + POP
        + new("torch.nn.modules.linear.Linear")
        + config()
        + BUILD,
        "parameter_class": named("torch.nn.parameter.Parameter")
        + pack(NONE, mapping(__new__=hooked()))
        + BUILD
        + POP
        + call("torch.nn.parameter.Parameter"),
        "function_cache": named("torch.serialization._get_layout")
        + pack(NONE, mapping(cache=instance(ns, get=hooked())))
        + BUILD
        + POP
        + call("torch.serialization._get_layout", "x"),
        "class_dict": named(ns) + mapping(__setstate__=model()) + BUILD + config() + BUILD,
        "function_setstate": named("torch._utils._rebuild_tensor_v2")
        + mapping(__setstate__=model())
        + BUILD
        + config()
        + BUILD,
        "function_slots": named("torch._utils._rebuild_parameter")
        + pack(NONE, mapping(__setstate__=model()))
        + BUILD
        + config()
        + BUILD,
        "dtype": named("torch.float32") + config() + BUILD,
        "module_class_called": named("argparse.Namespace")
        + named("builtins.object")
        + POP
        + EMPTY_TUPLE
        + NEWOBJ
        + pack(NONE, mapping(__class__=model()))
        + BUILD,
        "become": new(ns)
        + pack(NONE, mapping(__class__=named("torch.nn.modules.container.ModuleDict")))
        + BUILD
        + pack(mapping(extend=hooked()), NONE)
        + BUILD
        + MARK
        + text("x")
        + APPENDS,
    }
    for turn, (name, built) in enumerate(tricks.items()):
        yield from in_turn(f"class_{name}", family, built, turn, P4)
    yield wrapped("class_plain_call", family, call(model(), config()), "zip.pt", P2)
