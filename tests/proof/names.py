"""Names that a load of what the judge passes may look up: the proof's own list, not the judge's.

It is wider than the judge's, by whole modules that hold only classes of layers; what is not in it
was never meant to be reached, however it came through.
"""

from __future__ import annotations

import re

_EXACT = """
__builtin__ builtins | set frozenset complex slice range xrange bytearray bytes long int float str
__builtin__ builtins | unicode bool tuple list dict object getattr Ellipsis
_codecs | encode
argparse | Namespace
collections | OrderedDict Counter defaultdict deque
copyreg copy_reg | _reconstructor
datetime | datetime date time timedelta timezone
joblib.numpy_pickle | NumpyArrayWrapper
lightning.fabric.utilities.data lightning_fabric.utilities.data | AttributeDict
lightning.pytorch.callbacks.early_stopping | EarlyStopping
lightning.pytorch.callbacks.model_checkpoint | ModelCheckpoint
numpy | dtype ndarray bool_ str_ bytes_ datetime64 timedelta64 float16 float32 float64 int8 int16
numpy | int32 int64 uint8 uint16 uint32 uint64 complex64 complex128
numpy.core.multiarray numpy._core.multiarray | _reconstruct scalar
numpy.core.numeric numpy._core.numeric | _frombuffer
omegaconf.base | ContainerMetadata Metadata
omegaconf.dictconfig | DictConfig
omegaconf.listconfig | ListConfig
omegaconf.nodes | AnyNode BooleanNode FloatNode IntegerNode StringNode BytesNode PathNode
pathlib pathlib._local | Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath
pytorch_lightning.callbacks.early_stopping | EarlyStopping
pytorch_lightning.callbacks.model_checkpoint | ModelCheckpoint
pytorch_lightning.utilities.parsing | AttributeDict
torch._utils | _rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter
torch._utils | _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor
torch._utils | _rebuild_sparse_csr_tensor _rebuild_meta_tensor_no_storage _rebuild_nested_tensor
torch._utils | _rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor
torch._tensor | Tensor _rebuild_from_type_v2
torch.nn.parameter | Parameter Buffer UninitializedParameter UninitializedBuffer
torch.serialization | _get_layout
torch.storage | TypedStorage UntypedStorage _TypedStorage _UntypedStorage
torch.torch_version | TorchVersion
torch._C._nn | gelu softplus
types | SimpleNamespace
typing | Any
ultralytics.utils ultralytics.yolo.utils | IterableSimpleNamespace
"""
_WHOLE = re.compile(
    r"torch\.nn\.modules\.\w+|torch\.nn\.functional|torch\.nn\.qat\.\w+"
    r"|ultralytics\.nn\.modules(\.(block|conv|head|transformer|activation))?"
    r"|ultralytics\.nn\.tasks|ultralytics(\.yolo)?\.utils\.(loss|tal)"
)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TORCH = re.compile(r"(torch|torch\.cuda)")


def _table() -> set[tuple[str, str]]:
    table = set[tuple[str, str]]()
    for line in _EXACT.strip().splitlines():
        modules, _, names = line.partition("|")
        table |= {(module, name) for module in modules.split() for name in names.split()}
    return table


_TABLE = _table()


def exact() -> set[tuple[str, str]]:
    """Return the names that are listed one by one."""
    return set(_TABLE)


def expected(module: str, name: str) -> bool:
    """Tell whether a load may look this name up; dotted names never."""
    if (module, name) in _TABLE:
        return True
    if not _NAME.fullmatch(name):
        return False
    return bool(_WHOLE.fullmatch(module) or (_TORCH.fullmatch(module) and _of_torch(name)))


def only_classes(module: str) -> bool:
    """Tell a module whose every class may be named."""
    return bool(_WHOLE.fullmatch(module))


def _of_torch(name: str) -> bool:
    """Types of numbers, storages, layouts; not the functions that lie beside them."""
    plain = r"(u?int|float|bfloat|complex|q[iu]*int)\d+\w*|bool|strided|sparse_\w+|per_\w+"
    return bool(re.fullmatch(rf"{plain}|\w*_format|\w*Storage|Size|device|Tensor", name))
