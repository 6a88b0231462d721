"""What is mutated: small honest pickles with all that a judge lets stand, and hostile ones."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from tests.proof.assemble import (
    ADDITEMS,
    APPENDS,
    BUILD,
    EMPTY_SET,
    FALSE,
    FROZENSET,
    MARK,
    NONE,
    REDUCE,
    SETITEM,
    SETITEMS,
    TRUE,
    Value,
    call,
    instance,
    keyed,
    mapping,
    named,
    new,
    number,
    pack,
    raw,
    sequence,
    text,
)
from tests.proof.hostile import asked, filled, hashed, made_of, steps
from tests.proof.hostile.gadgets import TABLES, config
from tests.proof.mutants.tree import Node, Unreadable, parse

WEIGHTS = {"0": b"\0" * 16, "1": b"\0" * 16}
STORAGE = pack("storage", named("torch.FloatStorage"), "0", "cpu", 4) + b"Q"
WHOLE = pack("storage", named("torch.LongStorage"), "1", "cpu", 2) + b"Q"
ORDERED = call("collections.OrderedDict")
TENSOR = call("torch._utils._rebuild_tensor_v2", STORAGE, 0, pack(2, 2), pack(2, 1), False, ORDERED)
PARAMETER = call("torch._utils._rebuild_parameter", TENSOR, True, ORDERED)
LONGER = 3000  # bytes; hostile pickles above it are left out


NN = "torch.nn.modules."
CONV = "ultralytics.nn.modules.conv.Conv"


def state(**attributes: Value) -> Value:
    """Build the state of a module as torch writes it."""
    tables = {table: ORDERED if "hook" in table else mapping() for table in TABLES}
    return mapping({"training": FALSE, **tables, **attributes})


def layer(what: str, **attributes: Value) -> Value:
    """Build a module."""
    return instance(what, state(**attributes))


def honest() -> dict[str, Value]:
    """Build honest values, by name."""
    return {**_modules(), **_tensors(), **_values(), **_objects()}


def _modules() -> dict[str, Value]:
    linear = layer(
        f"{NN}linear.Linear",
        _parameters=mapping(weight=PARAMETER, bias=NONE),
        in_features=number(2),
    )
    silu = layer(f"{NN}activation.SiLU", inplace=TRUE)
    conv = layer(CONV, _modules=mapping(conv=linear, act=silu))
    # A detector's layer holds its own bound method, which is taken before its state has come.
    method = call("builtins.getattr", b"h\x05", "forward_fuse")
    bound = new(CONV) + b"q\x05" + state(_modules=mapping(act=silu), forward=method) + BUILD
    iterable = instance("ultralytics.utils.IterableSimpleNamespace", box=7.5, task="detect")
    loss = layer(f"{NN}loss.BCEWithLogitsLoss")
    detector = layer(
        "ultralytics.nn.tasks.DetectionModel",
        _modules=mapping(model=layer(f"{NN}container.Sequential", _modules=mapping({"0": conv}))),
        yaml=mapping(nc=1, activation="nn.SiLU()"),
        names=keyed((0, "face"), (1, "hand")),
        args=iterable,
        criterion=instance("ultralytics.utils.loss.v8DetectionLoss", nc=1, bce=loss, hyp=iterable),
    )
    encoder = layer(
        f"{NN}transformer.TransformerEncoderLayer",
        _modules=mapping(linear1=linear),
        activation=named("torch.nn.functional.relu"),
        norm_first=FALSE,
    )
    classifier = "ultralytics.nn.tasks.ClassificationModel"
    keys = keyed(("a", None))
    return {
        "linear": linear,
        "sequential": layer(
            f"{NN}container.Sequential", _modules=mapping({"0": linear, "1": silu})
        ),
        "encoder": encoder,
        "conv": conv,
        "bound": bound,
        "detector": mapping(model=detector, epoch=-1, train_args=mapping(data="x"), ema=None),
        "classifier": layer(classifier, _modules=mapping(model=silu), yaml=config()),
        "parameter_dict": layer(f"{NN}container.ParameterDict", _keys=keys, a=PARAMETER),
        "module_list": layer(f"{NN}container.ModuleList", _modules=mapping({"0": silu})),
    }


def _tensors() -> dict[str, Value]:
    rebuild = "torch._utils._rebuild_tensor_v2"
    pair = pack(STORAGE, 0, pack(2), pack(1), False, ORDERED)
    indices = call(rebuild, WHOLE, 0, pack(1, 2), pack(2, 1), False, ORDERED)
    values = named(rebuild) + pair + REDUCE
    sparse = pack(indices, values, call("torch.Size", pack(2)), False)
    weights = ORDERED + MARK + text("a.weight") + TENSOR + text("b") + PARAMETER + SETITEMS
    return {
        "state": weights + mapping(_metadata=keyed(("", mapping(version=1)))) + BUILD,
        "tensors": mapping(
            w=call(
                "torch._utils._rebuild_parameter_with_state",
                *(TENSOR, True, ORDERED, mapping(tag="x", n=sequence(1))),
            ),
            b=call(
                "torch._tensor._rebuild_from_type_v2",
                *(named(rebuild), named("torch.nn.parameter.Buffer")),
                *(pair, mapping(persistent=True)),
            ),
            m=call(
                "torch._utils._rebuild_meta_tensor_no_storage",
                *(named("torch.float32"), pack(2), pack(1), False),
            ),
            s=call(
                "torch._utils._rebuild_sparse_tensor",
                *(call("torch.serialization._get_layout", "torch.sparse_coo"), sparse),
            ),
            q=call(rebuild, STORAGE, 0, pack(4), pack(1), False, ORDERED, mapping()),
        ),
        "facts": mapping(
            size=call("torch.Size", pack(2, 3)),
            device=call("torch.device", "cpu"),
            kind=named("torch.float32"),
            layout=call("torch.serialization._get_layout", "torch.strided"),
            version=call("torch.torch_version.TorchVersion", "2.1"),
        ),
    }


def _values() -> dict[str, Value]:
    hour = call("datetime.timezone", call("datetime.timedelta", 0, 3600, 0))
    members = EMPTY_SET + MARK + number(1) + text("a") + ADDITEMS
    return {
        "plain": mapping(
            a=sequence(1, 2.5, "x", None),
            b=pack(True, raw(b"x")),
            c=keyed((pack(1, "x"), "y"), (None, 1), (2, 3)),
        ),
        "sets": pack(
            members, call("builtins.set", sequence(1, "b")), MARK + pack(1, "c") + FROZENSET
        ),
        "counted": mapping(
            d=call("collections.defaultdict", named("builtins.list"))
            + (text("a") + sequence(1) + SETITEM),
            n=call("collections.defaultdict", None),
            c=call("collections.Counter", mapping(a=1)),
            q=call("collections.deque", sequence(1, 2), 5),
            e=call("collections.deque") + MARK + text("x") + APPENDS,
            o=call("collections.OrderedDict", sequence(sequence("a", 1))),
        ),
        "values": mapping(
            c=call("builtins.complex", 1.0, 2.0),
            s=call("builtins.slice", 0, None, 2),
            r=call("builtins.range", 0, 5, 1),
            b=call("builtins.bytearray", raw(b"xy")),
            e=call("_codecs.encode", "xyz", "latin1"),
            z=call("builtins.bytes"),
        ),
        "times": mapping(
            t=call("datetime.datetime", raw(b"\x07\xe7\x04\x05\x06\x07\x08\0\0\x09"), hour),
            d=call("datetime.date", raw(b"\x07\xe7\x04\x05")),
            p=call("pathlib.PurePosixPath", "a", "b"),
        ),
    }


def _objects() -> dict[str, Value]:
    plain = instance("argparse.Namespace", lr=0.1, model="x", sizes=sequence(1, 2))
    dtype = call("numpy.dtype", "f4", False, True)
    dtype += pack(3, "<", None, None, None, -1, -1, 0) + BUILD
    array = call("numpy._core.multiarray._reconstruct", named("numpy.ndarray"), pack(0), raw(b"b"))
    kinds = {"ref_type": named("typing.Any"), "object_type": named("builtins.int")}
    inner = instance("omegaconf.base.Metadata", mapping({**kinds, "optional": TRUE, "key": NONE}))
    node = instance("omegaconf.nodes.AnyNode", _metadata=inner, _parent=NONE, _val=number(7))
    best = named("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")
    again = call(
        "copyreg._reconstructor", named("argparse.Namespace"), named("builtins.object"), None
    )
    return {
        "namespace": mapping(
            args=plain, more=call("types.SimpleNamespace") + mapping(x=1, y=plain) + BUILD
        ),
        "callbacks": mapping(callbacks=keyed((best, mapping(best=TENSOR)))),
        "attributes": mapping(
            hyper_parameters=new("pytorch_lightning.utilities.parsing.AttributeDict")
            + (MARK + text("lr") + text("x") + SETITEMS)
        ),
        "arrays": mapping(
            a=array + pack(1, pack(2), dtype, False, raw(b"\0" * 8)) + BUILD,
            d=dtype,
            s=call("numpy._core.multiarray.scalar", dtype, raw(b"\0" * 4)),
            f=call("numpy._core.numeric._frombuffer", raw(b"\0" * 8), dtype, pack(2), "C"),
        ),
        "settings": mapping(
            config=hashed.settings(mapping(a=node)),
            list=hashed.listed(sequence(node)),
            meta=hashed.metadata(),
        ),
        "reconstructed": mapping(n=again + mapping(a=1) + BUILD),
    }


@functools.cache
def trees() -> tuple[dict[str, Node], dict[str, Node]]:
    """Return honest and hostile seeds, taken apart."""
    good = {name: parse(built + b".", inline=False) for name, built in honest().items()}
    return good, dict(_hostile())


def _hostile() -> Iterator[tuple[str, Node]]:
    seen = set[bytes]()
    for maker in (asked, made_of, steps, filled, hashed):
        for sample in maker.samples():
            # Those that are only a pickle: the others hold the same ones.
            if sample.name.endswith((".pkl", ".joblib")) and len(sample.data) < LONGER:
                try:
                    node = parse(sample.data)
                except Unreadable:
                    continue
                if (data := node.write()) not in seen:
                    seen.add(data)
                    yield sample.name, node
