"""All that a pickle of weights may name. What is not here is never imported.

Names are compared whole: neither a module nor a prefix is ever allowed.
"""

from __future__ import annotations

from dataclasses import replace

from comfyfix.formats.pickle.calls import call_rows
from comfyfix.formats.pickle.checks import ASKED
from comfyfix.formats.pickle.classes import WATCHED, class_rows
from comfyfix.formats.pickle.kinds import VALUE
from comfyfix.formats.pickle.rows import Fields, Row, Signature

# What ultralytics puts in an object's own `forward`, and with it into the file.
METHODS = frozenset({"forward", "forward_fuse", "forward_split"})
ITEM_BYTES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1,
    "Byte": 1, "Bool": 1, "ComplexDouble": 16, "ComplexFloat": 8, "QUInt8": 1, "QInt8": 1,
    "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1, "Untyped": 1,
}  # fmt: skip
"""Bytes of one item, by the name of the storage type."""

# Role → module → names that stand in that place and nowhere else.
_PLACES = {
    "factory annotation": {"builtins": "int float str bool bytes list dict"},
    "factory": {"builtins": "set tuple", "collections": "OrderedDict"},
    "annotation": {"typing": "Any Dict List Tuple Union Optional"},
    "generic": {"typing": "Dict List Tuple Union Optional"},
    "object": {"builtins": "object"},
    "ndarray": {"numpy": "ndarray"},
    "tensor_type": {
        "torch": "Tensor",
        "torch._tensor": "Tensor",
        "torch.nn.parameter": "Parameter Buffer",
    },
    "rebuilds": {"torch._utils": "_rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_qtensor"},
    "activation": {
        "torch.nn.functional": (
            "celu elu gelu glu hardsigmoid hardswish hardtanh leaky_relu log_softmax logsigmoid"
            " mish relu relu6 rrelu selu sigmoid silu softmax softplus softsign tanh tanhshrink"
        ),
        "torch._C._nn": "gelu hardshrink hardsigmoid log_sigmoid softplus softshrink",
    },
    # Keys of the `callbacks` of a Lightning checkpoint: Stable Diffusion 1.x has them.
    "callback": {
        f"{package}.callbacks.{module}": name
        for package in ("pytorch_lightning", "lightning.pytorch")
        for module, name in (
            ("model_checkpoint", "ModelCheckpoint"),
            ("early_stopping", "EarlyStopping"),
        )
    },
}
# What BUILD may set on what a call has made.
_STATES: dict[tuple[str, str], Fields | str] = {
    **dict.fromkeys(
        (("collections", name) for name in ("OrderedDict", "defaultdict", "Counter")), Fields({})
    ),
    **dict.fromkeys(
        (
            (module, "_reconstruct")
            for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        ),
        "array",
    ),
    ("numpy", "dtype"): "dtype",
}
# As Python's own reader calls them, where the protocol is below 3.
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_OLD_NAMES = {
    ("__builtin__", "long"): ("builtins", "int"),
    ("__builtin__", "unicode"): ("builtins", "str"),
    ("__builtin__", "xrange"): ("builtins", "range"),
}
_NEW_PROTOCOL = 3


def _table() -> dict[tuple[str, str], Row]:
    rows = class_rows()
    for key, row in call_rows().items():
        rows[key] = replace(row, state=_STATES.get(key, ""))
    # A namespace is written as a call without arguments.
    for key in (("types", "SimpleNamespace"), ("ultralytics.utils", "IterableSimpleNamespace")):
        rows[key] = replace(rows[key], calls=(Signature((), (), None, VALUE),))
    for roles, modules in _PLACES.items():
        for module, names in modules.items():
            for name in names.split():
                row = rows.get((module, name), Row(module, name))
                rows[module, name] = replace(row, roles=row.roles | frozenset(roles.split()))
    kinds = [f"{name}Storage" for name in ITEM_BYTES if name != "Untyped"]
    places = [(module, kind) for module in ("torch", "torch.cuda") for kind in kinds]
    places += [("torch.storage", name) for name in ("TypedStorage", "UntypedStorage")]
    storage = frozenset({"storage"})
    return rows | {place: Row(*place, roles=storage) for place in places}


_ROWS = _table()
_ASKED = {"storage", "module", "callbacks"}
WORDS = WATCHED | ASKED | METHODS | _ASKED | {word for key in _ROWS for word in key}
"""Texts that the rules ask for."""


def row_of(module: str, name: str, protocol: int) -> Row | None:
    """Return the row of a name as Python's reader would find it, None if it is not allowed."""
    if protocol < _NEW_PROTOCOL:
        module, name = _OLD_NAMES.get((module, name), (_OLD_MODULES.get(module, module), name))
    return _ROWS.get((module, name))


def item_bytes(row: Row) -> int | None:
    """Return the bytes of one item of a type of storage; None where the type does not tell."""
    return ITEM_BYTES.get(row.name.removesuffix("Storage"))
