"""What pickles of weights may call: each function with the arguments that make it inert.

None of these looks for a method of what it is given: with arguments of just these kinds it builds
a value, by code of Python, torch or numpy alone. torch's own were read in 2.13 (`_utils.py`,
`_tensor.py`, `serialization.py`), numpy's in 2.3.
"""

from __future__ import annotations

from dataclasses import replace

from comfyfix.formats.pickle.checks import CHECKS
from comfyfix.formats.pickle.kinds import (
    ARRAY,
    ATOM,
    BYTES,
    DATA,
    DEVICE,
    DTYPE,
    ELLIPSIS,
    KEY,
    LAYOUT,
    NO_TENSOR,
    NUMBER,
    NUMPY_DTYPE,
    OBJECT_DTYPE,
    SCHEME,
    SIZE,
    SPAN,
    TENSOR,
    VALUE,
    ZONE,
    Plain,
)
from comfyfix.formats.pickle.rows import Row, Signature, read_signature

RESULTS: dict[str, int | str] = {
    "value": VALUE,
    "key": KEY | DATA | VALUE,
    "data": DATA | VALUE,
    "number": ATOM | NUMBER,
    "bytes": ATOM | BYTES,
    "tensor": VALUE | TENSOR | NO_TENSOR,
    "size": VALUE | SIZE,
    "array": VALUE | ARRAY,
    "device": VALUE | DEVICE,
    "layout": VALUE | LAYOUT,
    "numpy_dtype": VALUE | NUMPY_DTYPE,
    "object_dtype": VALUE | OBJECT_DTYPE,
    "zone": VALUE | ZONE,
    "span": VALUE | SPAN,
    "list": "deque",
    "OrderedDict": "OrderedDict",
    "defaultdict": "defaultdict",
    "Counter": "Counter",
}

_SIGNATURES = """
torch._utils._rebuild_tensor(storage, int, ints, ints) -> tensor
torch._utils._rebuild_tensor_v2(storage, int, ints, ints, bool, hooks, flags?) -> tensor
torch._utils._rebuild_tensor_v3(storage, int, ints, ints, bool, hooks, dtype, flags?) -> tensor
torch._utils._rebuild_qtensor(storage, int, ints, ints, quantizer, bool, hooks) -> tensor
torch._utils._rebuild_parameter(tensor, bool, hooks) -> tensor
torch._utils._rebuild_sparse_tensor(layout, sparse) -> tensor
torch._utils._rebuild_sparse_csr_tensor(layout, sparse) -> tensor
torch._utils._rebuild_nested_tensor(tensor, whole, whole, whole) -> tensor
torch._utils._rebuild_meta_tensor_no_storage(dtype, ints, ints, bool) -> tensor
torch.nn.parameter.Parameter(tensor, bool?) -> tensor
torch.nn.parameter.Buffer(tensor, bool?) -> tensor
torch.nn.parameter.UninitializedParameter(bool?, host|none?, dtype|none?) -> tensor
torch.nn.parameter.UninitializedBuffer(bool?, host|none?, dtype|none?) -> tensor
torch.serialization._get_layout(layout_name) -> layout
torch.Size(ints) -> size
torch.device(device_name, int?) -> device
torch.torch_version.TorchVersion(text) -> value
numpy.dtype(code, int?, int?) -> numpy_dtype
numpy.dtype(object_code, int?, int?) -> object_dtype
numpy.core.multiarray._reconstruct(ndarray, zero_sized, type_code) -> array
numpy.core.multiarray.scalar(numpy_dtype, bytes|text) -> value
numpy.core.numeric._frombuffer(bytes, numpy_dtype, ints, text) -> array
collections.OrderedDict(pairs?) -> OrderedDict
collections.defaultdict(factory|none?, mapping?) -> defaultdict
collections.Counter(mapping?) -> Counter
collections.deque(values?, int|none?) -> list
builtins.set(keys?) -> data
builtins.frozenset(keys?) -> key
builtins.bytes() -> bytes
builtins.bytearray(bytes?) -> data
builtins.bytearray(text, encoding) -> data
builtins.complex(number, number?) -> value
builtins.slice(key, key?, key?) -> value
builtins.range(int, int?, int?) -> value
_codecs.encode(text, encoding) -> bytes
pathlib.PosixPath(text*) -> value
datetime.datetime(bytes|text, zone?) -> value
datetime.date(bytes|text) -> value
datetime.time(bytes|text, zone?) -> value
datetime.timedelta(int, int?, int?) -> span
datetime.timezone(span, text?) -> zone
"""
_SAME = {  # modules that have moved
    "numpy.core.multiarray": ("numpy._core.multiarray",),
    "numpy.core.numeric": ("numpy._core.numeric",),
}
_PATHS = "PosixPath WindowsPath PurePosixPath PureWindowsPath Path PurePath"
_DTYPES = (
    "float32 float64 float16 bfloat16 complex32 complex64 complex128 uint8 int8 int16 int32 int64"
    " bool quint8 qint8 qint32 quint4x2 quint2x4 uint16 uint32 uint64 float8_e4m3fn float8_e5m2"
    " float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2"
)
_SCHEMES = (
    "per_tensor_affine per_channel_affine per_channel_affine_float_qparams per_tensor_symmetric"
    " per_channel_symmetric"
)
_FORMATS = "contiguous_format channels_last channels_last_3d preserve_format"

# The functions whose arguments have to be seen together are judged by `special.py`.
SPECIAL = {
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch._utils", "_rebuild_parameter_with_state"),
    ("builtins", "getattr"),
    ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"),
    ("_operator", "getitem"),
    ("builtins", "type"),
}


def call_rows() -> dict[tuple[str, str], Row]:
    """Return the rows of what may be called, and of the constants."""
    signatures: dict[tuple[str, str], list[Signature]] = {}
    for line in _SIGNATURES.split("\n")[1:-1]:
        dotted, signature = read_signature(line, CHECKS, RESULTS)
        module, _, name = dotted.rpartition(".")
        for place in (module, *_SAME.get(module, ())):
            signatures.setdefault((place, name), []).append(signature)
    for name in _PATHS.split():
        for module in ("pathlib", "pathlib._local"):
            signatures[module, name] = signatures["pathlib", "PosixPath"]
    rows = {key: Row(*key, calls=tuple(found)) for key, found in signatures.items()}
    version = ("torch.torch_version", "TorchVersion")  # a text, made by NEWOBJ too
    rows[version] = replace(rows[version], news=rows[version].calls)
    rows |= {key: Row(*key) for key in SPECIAL}
    constants = {("torch", name): Plain(VALUE | DTYPE) for name in _DTYPES.split()}
    constants |= {("torch", name): Plain(VALUE | SCHEME) for name in _SCHEMES.split()}
    constants |= {("torch", name): Plain(VALUE) for name in _FORMATS.split()}
    constants["torch", "strided"] = Plain(VALUE | LAYOUT)
    constants["builtins", "Ellipsis"] = ELLIPSIS
    return rows | {key: Row(*key, constant=value) for key, value in constants.items()}
