"""Instructions that fill what is no container, or build what is no object."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.proof.assemble import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    EMPTY_TUPLE,
    MARK,
    NEWOBJ,
    NONE,
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
from tests.proof.hostile.asked import HOLDERS
from tests.proof.hostile.gadgets import config, hooked, layers, model, module
from tests.proof.hostile.steps import makers
from tests.proof.hostile.wrapped import in_turn, wrapped
from tests.proof.samples import Sample


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _methods()
    yield from _classes()


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
