"""What a pickle of weights may name, and what it may do with it. All else is refused.

A name is allowed when nothing that an unpickler can do with it in the way given here runs code of
the file's choosing, opens a file or reaches the network. Names are compared whole: neither a module
nor a prefix is ever allowed.
"""

from __future__ import annotations

from enum import Enum


class Use(Enum):
    """What an unpickler may do with an allowed name."""

    CALL = "call"  # an inert function or class: called with any arguments, it only builds a value
    EMPTY = "empty"  # a class that is made without calling its `__init__`, then given attributes
    NAME = "name"  # only named: a constant, or a class that serves as a key
    STORAGE = "storage"  # the type of weights that lie beside the pickle
    CHECKED = "checked"  # called, but only with the arguments that the walk knows to be inert


ITEM_BYTES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1,
    "Byte": 1, "Bool": 1, "ComplexDouble": 16, "ComplexFloat": 8, "QUInt8": 1, "QInt8": 1,
    "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1,
}  # fmt: skip
"""Bytes of one item, by the name of the storage type."""

_FUNCTIONS = {
    # Tensors from storages, by arithmetic alone; torch itself allows these for weights only.
    "torch._utils": (
        "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter"
        " _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor"
        " _rebuild_sparse_csr_tensor _rebuild_meta_tensor_no_storage _rebuild_nested_tensor"
    ),
    "torch.serialization": "_get_layout",
    "torch": "Size device",
    "torch.nn.parameter": "Parameter Buffer UninitializedParameter",
    "torch.torch_version": "TorchVersion",  # a str
    # Arrays from bytes or a buffer.
    "numpy": "dtype ndarray",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "collections": "OrderedDict Counter",
    "builtins": "set frozenset complex slice",
    "types": "SimpleNamespace",
    "pathlib": "PosixPath WindowsPath PurePosixPath PureWindowsPath Path",  # names; opens nothing
    "pathlib._local": "PosixPath WindowsPath",
    "datetime": "datetime date timedelta",
    # A dict whose keys can be read as attributes: the hyperparameters of Lightning checkpoints.
    "pytorch_lightning.utilities.parsing": "AttributeDict",
    "lightning_fabric.utilities.data": "AttributeDict",
    "lightning.fabric.utilities.data": "AttributeDict",
}

_CHECKED = {
    "_codecs": "encode",  # Python writes bytes so in protocol 2; only into Latin-1 and the like
    "builtins": "getattr bytearray",  # getattr: ultralytics keeps the bound method `forward`
    "collections": "defaultdict",
    "copyreg": "_reconstructor",  # how protocol 0 and 1 make an object without its `__init__`
}

_NAMES = {
    "torch": (
        "float32 float64 float16 bfloat16 complex32 complex64 complex128 uint8 int8 int16 int32"
        " int64 bool quint8 qint8 qint32 quint4x2 quint2x4 uint16 uint32 uint64 float8_e4m3fn"
        " float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2 strided"
        " contiguous_format channels_last preserve_format per_tensor_affine per_channel_affine"
        " per_channel_affine_float_qparams per_tensor_symmetric per_channel_symmetric Tensor"
    ),
    "torch._tensor": "Tensor",
    "builtins": "int float str bool bytes tuple list dict object",
    "numpy": ("float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_"),
    "typing": "Any",
    # Keys of the `callbacks` of a Lightning checkpoint (Stable Diffusion 1.x has them).
    "pytorch_lightning.callbacks.model_checkpoint": "ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping": "EarlyStopping",
    "lightning.pytorch.callbacks.model_checkpoint": "ModelCheckpoint",
    "lightning.pytorch.callbacks.early_stopping": "EarlyStopping",
}

_BLOCKS = (
    "AAttn ABlock A2C2f AConv ADown Attention BNContrastiveHead Bottleneck BottleneckCSP C1 C2 C2f"
    " C2fAttn C2fCIB C2fPSA C2PSA C3 C3f C3Ghost C3k C3k2 C3TR C3x CBFuse CBLinear CIB"
    " ContrastiveHead DFL ELAN1 GhostBottleneck HGBlock HGStem ImagePoolingAttn"
    " MaxSigmoidAttnBlock Proto PSA PSABlock RepBottleneck RepC3 RepCSP RepNCSPELAN4 RepVGGDW"
    " Residual ResNetBlock ResNetLayer SAVPE SCDown SPP SPPELAN SPPF SwiGLUFFN TorchVision"
)
_CONVOLUTIONS = (
    "CBAM ChannelAttention Concat Conv Conv2 ConvTranspose DWConv DWConvTranspose2d Focus GhostConv"
    " Index LightConv RepConv SpatialAttention"
)
_HEADS = (
    "Classify Detect LRPCHead OBB Pose RTDETRDecoder Segment v10Detect WorldDetect YOLOEDetect"
    " YOLOESegment"
)
_TRANSFORMERS = (
    "AIFI DeformableTransformerDecoder DeformableTransformerDecoderLayer LayerNorm2d MLP MLPBlock"
    " MSDeformAttn TransformerBlock TransformerEncoderLayer TransformerLayer"
)
_LOSSES = (
    "BboxLoss DFLoss E2EDetectLoss FocalLoss KeypointLoss RotatedBboxLoss v10DetectLoss"
    " v8ClassificationLoss v8DetectionLoss v8OBBLoss v8PoseLoss v8SegmentationLoss VarifocalLoss"
)

# The detectors of ultralytics (`face_yolov8m.pt` and the like) are whole objects, not weights: they
# can't be loaded without classes that hold code. These only ever come to be empty, as
# `object.__new__` makes them; calling one would run its `__init__` (DetectionModel(cfg) fetches
# a file), so that is refused.
_EMPTY = {
    "argparse": "Namespace",
    "ultralytics.nn.modules": " ".join((_BLOCKS, _CONVOLUTIONS, _HEADS, _TRANSFORMERS)),
    "ultralytics.nn.modules.block": _BLOCKS,
    "ultralytics.nn.modules.conv": _CONVOLUTIONS,
    "ultralytics.nn.modules.head": _HEADS,
    "ultralytics.nn.modules.transformer": _TRANSFORMERS,
    "ultralytics.nn.tasks": (
        "ClassificationModel DetectionModel OBBModel PoseModel RTDETRDetectionModel"
        " SegmentationModel WorldModel YOLOEModel YOLOESegModel YOLOv10DetectionModel"
    ),
    "ultralytics.utils": "IterableSimpleNamespace",
    "ultralytics.yolo.utils": "IterableSimpleNamespace",
    "ultralytics.utils.loss": _LOSSES,
    "ultralytics.yolo.utils.loss": _LOSSES,
    "ultralytics.utils.tal": "TaskAlignedAssigner RotatedTaskAlignedAssigner",
    "ultralytics.yolo.utils.tal": "TaskAlignedAssigner",
    "torch.nn.modules.activation": (
        "ELU GELU GLU Hardsigmoid Hardswish Hardtanh LeakyReLU LogSoftmax Mish MultiheadAttention"
        " PReLU ReLU ReLU6 SELU Sigmoid SiLU Softmax Softplus Tanh"
    ),
    "torch.nn.modules.batchnorm": "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm",
    "torch.nn.modules.container": "ModuleDict ModuleList ParameterDict ParameterList Sequential",
    "torch.nn.modules.conv": (
        "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d"
    ),
    "torch.nn.modules.dropout": "Dropout Dropout1d Dropout2d Dropout3d",
    "torch.nn.modules.flatten": "Flatten Unflatten",
    "torch.nn.modules.fold": "Fold Unfold",
    "torch.nn.modules.instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
    "torch.nn.modules.linear": "Identity Linear NonDynamicallyQuantizableLinear",
    "torch.nn.modules.loss": "BCELoss BCEWithLogitsLoss CrossEntropyLoss L1Loss MSELoss",
    "torch.nn.modules.normalization": "GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "torch.nn.modules.padding": (
        "ConstantPad1d ConstantPad2d ReflectionPad1d ReflectionPad2d ReplicationPad2d ZeroPad2d"
    ),
    "torch.nn.modules.pixelshuffle": "PixelShuffle PixelUnshuffle",
    "torch.nn.modules.pooling": (
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool2d AvgPool1d AvgPool2d AvgPool3d"
        " MaxPool1d MaxPool2d MaxPool3d"
    ),
    "torch.nn.modules.sparse": "Embedding EmbeddingBag",
    "torch.nn.modules.transformer": "TransformerEncoder TransformerEncoderLayer",
    "torch.nn.modules.upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
    # Settings that some Lightning checkpoints carry: trees of plain values.
    "omegaconf.base": "ContainerMetadata Metadata",
    "omegaconf.dictconfig": "DictConfig",
    "omegaconf.listconfig": "ListConfig",
    "omegaconf.nodes": "AnyNode BooleanNode FloatNode IntegerNode StringNode",
}

_OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules of Python 2, as protocol 2 and below name them."""


def _table() -> dict[tuple[str, str], Use]:
    table: dict[tuple[str, str], Use] = {}
    for use, modules in (
        (Use.NAME, _NAMES),
        (Use.EMPTY, _EMPTY),
        (Use.CALL, _FUNCTIONS),
        (Use.CHECKED, _CHECKED),
    ):
        for module, names in modules.items():
            table |= {(module, name): use for name in names.split()}
    for module in ("torch", "torch.cuda"):
        table |= {(module, f"{name}Storage"): Use.STORAGE for name in ITEM_BYTES}
    for name in ("TypedStorage", "UntypedStorage", "_TypedStorage", "_UntypedStorage"):
        table["torch.storage", name] = Use.STORAGE
    return table


_ALLOWED = _table()


def allowed(module: str, name: str) -> tuple[str, Use | None]:
    """Return the module as Python 3 calls it, and what may be done with the name, if anything."""
    module = _OLD_NAMES.get(module, module)
    return module, _ALLOWED.get((module, name))
