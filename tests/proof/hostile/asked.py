"""Calls of allowed names that ask their argument for a method, or iterate over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.proof.assemble import (
    BUILD,
    EMPTY_DICT,
    MARK,
    NEWOBJ,
    NEWOBJ_EX,
    OBJ,
    P4,
    PERSISTENT,
    Value,
    call,
    instance,
    mapping,
    named,
    pack,
    sequence,
)
from tests.proof.hostile.gadgets import holder, hooked, iterated, module
from tests.proof.hostile.wrapped import in_turn, wrapped
from tests.proof.samples import Sample

ODICT, COUNTER, DEQUE = "collections.OrderedDict", "collections.Counter", "collections.deque"
DEFAULT, NAMESPACE = "collections.defaultdict", "types.SimpleNamespace"
HOLDERS = ("argparse.Namespace", "ultralytics.utils.IterableSimpleNamespace")
ATTRIBUTE_DICTS = (
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)
STORAGE = pack("storage", named("torch.FloatStorage"), "0", "cpu", 4) + PERSISTENT


def tensor(size: Value = b"K\x02\x85", metadata: Value = b"") -> Value:
    """Build a tensor of two numbers."""
    more = [metadata] if metadata else []
    rebuild = "torch._utils._rebuild_tensor_v2"
    return call(rebuild, STORAGE, 0, size, pack(1), False, mapping(), *more)


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _keys()
    yield from _iterated()
    yield from _text()


def _keyed() -> dict[str, Callable[[Value], Value]]:
    return {
        "odict": lambda x: call(ODICT, x),
        "odict_obj": lambda x: MARK + named(ODICT) + x + OBJ,
        "odict_inst": lambda x: MARK + x + b"icollections\nOrderedDict\n",
        "counter": lambda x: call(COUNTER, x),
        "defaultdict": lambda x: call(DEFAULT, None, x),
        "defaultdict_int": lambda x: call(DEFAULT, named("builtins.int"), x),
        "attributes_pl": lambda x: call(ATTRIBUTE_DICTS[0], x),
        "attributes_lf": lambda x: call(ATTRIBUTE_DICTS[1], x),
        "attributes_l": lambda x: call(ATTRIBUTE_DICTS[2], x),
    }


def _keys() -> Iterator[Sample]:
    family = "an inert call asks its argument for keys() or items()"
    turn = 0
    for name, build in _keyed().items():
        for place, what in enumerate((*HOLDERS, NAMESPACE, ODICT)):
            inner = (
                holder("keys", hooked(turn), what)
                if what in HOLDERS
                else (call(what) + mapping(keys=hooked(turn)) + BUILD)
            )
            yield from in_turn(f"keys_{name}_{place}", family, build(inner), turn)
            turn += 1
        direct = module("torch.nn.modules.linear.Linear", keys=hooked(turn))
        yield from in_turn(f"keys_{name}_module", family, build(direct), turn)
        items = instance("argparse.Namespace", mapping(items=hooked(turn)))
        yield from in_turn(f"items_{name}", family, build(items), turn + 1)


def _iterated() -> Iterator[Sample]:
    family = "an inert call iterates over its argument"
    containers = "ModuleList Sequential ModuleDict ParameterList ParameterDict".split()
    calls: dict[str, Callable[[Value], Value]] = {
        "size": lambda x: call("torch.Size", x),
        "bytearray": lambda x: call("builtins.bytearray", x),
        "deque": lambda x: call(DEQUE, x),
        "set": lambda x: call("builtins.set", x),
        "frozenset": lambda x: call("builtins.frozenset", x),
        "counter": lambda x: call(COUNTER, x),
        "odict": lambda x: call(ODICT, x),
        "tuple": lambda x: call("builtins.tuple", x),
        "list": lambda x: call("builtins.list", x),
        "bytes": lambda x: call("builtins.bytes", x),
        "dict": lambda x: call("builtins.dict", x),
        "size_newobj": lambda x: named("torch.Size") + pack(x) + NEWOBJ,
        "frozenset_newobj": lambda x: named("builtins.frozenset") + pack(x) + NEWOBJ,
        "size_newobj_ex": lambda x: named("torch.Size") + pack(x) + EMPTY_DICT + NEWOBJ_EX,
        "newobj_func": lambda x: call("copyreg.__newobj__", named("torch.Size"), x),
        "default_of_pairs": lambda x: call(DEFAULT, None, x),
    }
    for turn, (name, build) in enumerate(calls.items()):
        for what in (containers[turn % 2], containers[2 + turn % 3]):
            inner = iterated(hooked(turn), f"torch.nn.modules.container.{what}")
            made = build(inner)
            yield from in_turn(f"iter_{name}_{what.lower()}", family, made, turn, P4)
    state = mapping(_keys=iterated(hooked()), _size=0)
    for name in ("size", "deque", "set"):
        inner = instance("torch.nn.modules.container.ParameterDict", state)
        yield wrapped(f"iter_{name}_keys", family, calls[name](inner), "zip.pt")


def _text() -> Iterator[Sample]:
    family = "an inert call writes its argument as text"
    shown = module("torch.nn.modules.linear.Identity", extra_repr=hooked())
    shows = {
        "namespace": holder("x", shown),
        "simple": call(NAMESPACE) + mapping(x=shown) + BUILD,
        "odict": call(ODICT, sequence(pack("x", shown))),
        "list": sequence(shown),
        "dict": mapping(x=shown),
        "module": shown,
    }
    calls: dict[str, Callable[[Value], Value]] = {
        "torchversion": lambda x: call("torch.torch_version.TorchVersion", x),
        "dtype": lambda x: call("numpy.dtype", x, False, True),
        "str": lambda x: call("builtins.str", x),
        "layout": lambda x: call("torch.serialization._get_layout", x),
        "device": lambda x: call("torch.device", x),
        "version_newobj": lambda x: named("torch.torch_version.TorchVersion") + pack(x) + NEWOBJ,
    }
    for name, build in calls.items():
        for turn, (other, inner) in enumerate(shows.items()):
            yield from in_turn(f"text_{name}_{other}", family, build(inner), turn)
