"""Values that are hashed or compared, and values that `getattr` made unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.proof.assemble import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_SET,
    FALSE,
    FROZENSET,
    MARK,
    NEWOBJ,
    NONE,
    P4,
    POP,
    SETITEM,
    SETITEMS,
    TRUE,
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
from tests.proof.hostile.asked import ATTRIBUTE_DICTS, COUNTER, NAMESPACE, ODICT
from tests.proof.hostile.gadgets import chain, config, holder, hooked, iterated, model, module
from tests.proof.hostile.wrapped import in_turn
from tests.proof.samples import Sample


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _hashed()
    yield from _washed()
    yield from _shadowed()


def metadata(kind: str = "dict", key: Plain = None) -> Value:
    """Build what OmegaConf knows of a node."""
    anything = named("typing.Any")
    return instance(
        "omegaconf.base.ContainerMetadata",
        ref_type=anything,
        object_type=named(f"builtins.{kind}"),
        optional=TRUE,
        key=key,
        flags=mapping(),
        flags_root=FALSE,
        resolver_cache=mapping(),
        key_type=anything,
        element_type=anything,
    )


def settings(content: Value = EMPTY_DICT, **more: Plain) -> Value:
    """Build a DictConfig."""
    return instance(
        "omegaconf.dictconfig.DictConfig",
        mapping({"_metadata": metadata(), "_parent": None, "_content": content, **more}),
    )


def listed(content: Value = EMPTY_LIST, **more: Plain) -> Value:
    """Build a ListConfig."""
    return instance(
        "omegaconf.listconfig.ListConfig",
        mapping({"_metadata": metadata("list"), "_parent": None, "_content": content, **more}),
    )


def _hashes() -> dict[str, Callable[[Value], Value]]:
    return {
        "key": lambda x: EMPTY_DICT + x + text("v") + SETITEM,
        "keys": lambda x: EMPTY_DICT + MARK + x + text("v") + SETITEMS,
        "marked_dict": lambda x: MARK + x + text("v") + b"d",
        "set": lambda x: EMPTY_SET + MARK + x + ADDITEMS,
        "frozenset": lambda x: MARK + x + FROZENSET,
        "called_set": lambda x: call("builtins.set", sequence(x)),
        "called_frozenset": lambda x: call("builtins.frozenset", pack(x)),
        "odict_key": lambda x: call(ODICT) + x + text("v") + SETITEM,
        "odict_pairs": lambda x: call(ODICT, sequence(pack(x, "v"))),
        "counter_key": lambda x: call(COUNTER) + x + text("v") + SETITEM,
        "counter_of": lambda x: call(COUNTER, sequence(x)),
        "attribute_dict": lambda x: new(ATTRIBUTE_DICTS[0]) + x + text("v") + SETITEM,
        "in_tuple": lambda x: EMPTY_DICT + pack(x, 1) + text("v") + SETITEM,
        "in_frozenset_key": lambda x: EMPTY_DICT + MARK + x + FROZENSET + text("v") + SETITEM,
        "in_deep_tuple": lambda x: EMPTY_SET + MARK + pack(pack(x), 1) + ADDITEMS,
        "cached": lambda x: call("torch.serialization._get_layout", x),
        "default_key": lambda x: call("collections.defaultdict", None) + x + text("v") + SETITEM,
    }


def _hashed() -> Iterator[Sample]:
    family = "a key or a member whose hash runs code"
    keys: dict[str, Value] = {
        "dictconfig": settings(keys=hooked(1)),
        "dictconfig_content": settings(holder("values", hooked())),
        "listconfig": listed(iterated(hooked(2))),
        "listconfig_none": listed(_is_none=hooked(3)),
        "dictconfig_missing": settings(_is_missing=hooked(4), _is_none=hooked(5)),
        "dictconfig_interpolation": settings(_is_interpolation=hooked()),
        "windows_path": new("pathlib.PureWindowsPath")
        + pack(NONE, mapping(_drv="", _root="", _parts=sequence(holder("lower", hooked()))))
        + BUILD,
    }
    turn = 0
    for name, key in keys.items():
        for how, build in list(_hashes().items())[turn % 2 :: 2]:
            yield from in_turn(f"hash_{how}_{name}", family, build(key), turn, P4)
            turn += 1


def forward_of(gadget: Value) -> Value:
    """`getattr` of an attribute that the file has set itself."""
    return call("builtins.getattr", holder("forward", gadget), "forward")


def _washed() -> Iterator[Sample]:
    family = "a value made unknown by getattr(…, 'forward')"
    linear = new("torch.nn.modules.linear.Linear")
    washes: dict[str, Callable[[Value], Value]] = {
        "namespace": forward_of,
        "simple": lambda x: call(
            "builtins.getattr", call(NAMESPACE) + mapping(forward=x) + BUILD, "forward"
        ),
        "module": lambda x: call(
            "builtins.getattr", module("torch.nn.modules.linear.Linear", forward=x), "forward"
        ),
        "in_modules": lambda x: call(
            "builtins.getattr",
            module("torch.nn.modules.container.Sequential", _modules=mapping(forward_fuse=x)),
            "forward_fuse",
        ),
        "in_parameters": lambda x: call(
            "builtins.getattr",
            module("ultralytics.nn.modules.conv.Conv", _parameters=mapping(forward_split=x)),
            "forward_split",
        ),
        "attribute_dict": lambda x: call(
            "builtins.getattr", new(ATTRIBUTE_DICTS[0]) + text("forward") + x + SETITEM, "forward"
        ),
        "dictconfig": lambda x: call("builtins.getattr", settings(mapping(forward=x)), "forward"),
        "default": lambda x: call("builtins.getattr", new("argparse.Namespace"), "forward", x),
        "obj": lambda x: (
            MARK + named("builtins.getattr") + holder("forward", x) + text("forward") + b"o"
        ),
        "inst": lambda x: (
            MARK + holder("forward", x) + text("forward") + b"i__builtin__\ngetattr\n"
        ),
    }
    uses: dict[str, Callable[[Callable[[Value], Value]], Value]] = {
        "state": lambda wash: (
            linear + wash(mapping(__setstate__=model())) + BUILD + config() + BUILD
        ),
        "called": lambda wash: wash(model()) + pack(config()) + b"R",
        "obj": lambda wash: MARK + wash(model(1)) + config() + b"o",
        "newobj": lambda wash: wash(model(2)) + pack(config()) + NEWOBJ,
        "set": lambda wash: call("builtins.set", wash(iterated(hooked()))),
        "size": lambda wash: call("torch.Size", wash(iterated(hooked(1)))),
        "odict": lambda wash: call(ODICT, wash(holder("keys", hooked(2)))),
        "append": lambda wash: wash(holder("append", model(3))) + config() + APPEND,
        "fill": lambda wash: wash(holder("add", model(4))) + MARK + config() + ADDITEMS,
        "key": lambda wash: EMPTY_DICT + wash(settings(keys=hooked(3))) + text("v") + SETITEM,
        "bytearray": lambda wash: call("builtins.bytearray", wash(iterated(hooked(5)))),
        "second": lambda wash: (
            wash(new("argparse.Namespace"))
            + mapping(__setstate__=model())
            + BUILD
            + config()
            + BUILD
        ),
        "arguments": lambda wash: model() + wash(pack(config())) + b"R",
    }
    turn = 0
    for how, use in uses.items():
        for name, wash in list(washes.items())[turn % 3 :: 3]:
            yield from in_turn(f"washed_{how}_{name}", family, use(wash), turn, P4)
            turn += 1
    yield from _bound()


def _bound() -> Iterator[Sample]:
    """Methods of modules that lead to code without any hook."""
    family = "a bound method is kept, then called by another instruction"
    bound = call("builtins.getattr", chain(), "forward")
    boxed = mapping(k=config())
    fused = call(
        "builtins.getattr",
        module(
            "ultralytics.nn.modules.conv.Conv",
            conv=module("ultralytics.nn.modules.conv.Index", index="k"),
            act=model(1),
        ),
        "forward_fuse",
    )
    split = call(
        "builtins.getattr",
        module("ultralytics.nn.modules.block.C2f", cv1=chain(2)),
        "forward_split",
    )
    plain = call(
        "builtins.getattr", module("ultralytics.nn.modules.block.DFL", conv=chain(3)), "forward"
    )
    methods = {"chain": bound, "fused": fused, "split": split}
    uses: dict[str, Callable[[Value], Value]] = {
        "setstate": lambda m: holder("__setstate__", m) + boxed + BUILD,
        "append": lambda m: holder("append", m) + boxed + APPEND,
        "add": lambda m: holder("add", m) + MARK + boxed + ADDITEMS,
        "extend": lambda m: (
            new("argparse.Namespace")
            + mapping(extend=plain, append=m)
            + BUILD
            + MARK
            + boxed
            + APPENDS
        ),
        "reduce": lambda m: m + pack(boxed) + b"R",
        "obj": lambda m: MARK + m + boxed + b"o",
        "rebuild": lambda m: call(
            "torch._tensor._rebuild_from_type_v2",
            m,
            named("torch._tensor.Tensor"),
            pack(boxed),
            mapping(),
        ),
    }
    for turn, (how, use) in enumerate(uses.items()):
        for name, method in methods.items():
            yield from in_turn(f"bound_{how}_{name}", family, use(method), turn, P4)


def _shadowed() -> Iterator[Sample]:
    """Tables of a module that are no dicts, asked by the module's own `__getattr__`."""
    family = "getattr asks the tables of a module, which are no dicts"
    for turn, table in enumerate(("_parameters", "_buffers", "_modules")):
        for what in ("ModuleList", "Sequential"):
            inner = iterated(hooked(turn), f"torch.nn.modules.container.{what}")
            asked = module("ultralytics.nn.modules.conv.Conv", **{table: inner})
            # Its class has `forward`; `forward_split` it has not, so the tables are asked.
            built = call("builtins.getattr", asked, "forward_split")
            yield from in_turn(f"tables{table}_{what.lower()}", family, built, turn)
            build = asked + mapping(x=1) + BUILD
            yield from in_turn(f"tables_build{table}_{what.lower()}", family, build, turn)
    family = "a module's own __setstate__ asks what its state holds"
    modules = "torch.nn.modules."
    ask = {
        "rnn": new(f"{modules}rnn.LSTM")
        + mapping(
            all_weights=iterated(hooked()),
            num_layers=1,
            bidirectional=False,
            proj_size=0,
            mode="LSTM",
            _all_weights=iterated(hooked()),
        )
        + BUILD,
        "upsample": new(f"{modules}upsampling.Upsample")
        + mapping(_modules=iterated(hooked(1)), recompute_scale_factor=True)
        + BUILD,
        "encoder": new(f"{modules}transformer.TransformerEncoderLayer")
        + mapping(_modules=iterated(hooked(2)), _parameters=iterated(hooked()))
        + BUILD,
        "batchnorm": new(f"{modules}batchnorm.BatchNorm2d")
        + mapping(_parameters=mapping(), _buffers=iterated(hooked(3)))
        + BUILD,
        "hooks": new(f"{modules}linear.Linear") + iterated(hooked(4)) + BUILD,
        "keys": new(f"{modules}linear.Linear") + holder("keys", hooked(5)) + BUILD,
        "pairs": new(f"{modules}linear.Linear")
        + sequence(iterated(hooked()), iterated(hooked(1)))
        + BUILD,
        "dictconfig": new("omegaconf.dictconfig.DictConfig")
        + mapping(_metadata=settings(_get_node=hooked()))
        + BUILD,
        "gelu": new(f"{modules}activation.GELU")
        + mapping(_modules=iterated(hooked()))
        + BUILD
        + POP
        + NONE,
    }
    for turn, (name, built) in enumerate(ask.items()):
        yield from in_turn(f"setstate_asks_{name}", family, built, turn, P4)
