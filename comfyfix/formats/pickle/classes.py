"""Classes that pickles of models may make without calling them, and what their attributes may be.

They are made as `object.__new__` makes them and given their state once. The state is set by code of
Python, torch, ultralytics or OmegaConf (each `__setstate__` was read): it reads attributes by name,
so the ones that it reads have a check of their own. All others are values, which have nothing that
could be called; a name in them that shadows a method changes nothing when the file is loaded.
"""

from __future__ import annotations

from typing import Any

from comfyfix.formats.pickle.checks import CHECKS
from comfyfix.formats.pickle.kinds import (
    BOUND,
    LOSS,
    METADATA,
    MODULE,
    NO_MODULE,
    NODE,
    VALUE,
    kinds,
    named,
)
from comfyfix.formats.pickle.rows import Check, Fields, Row

_HOOKS = (
    "_forward_hooks _forward_hooks_with_kwargs _forward_hooks_always_called _forward_pre_hooks"
    " _forward_pre_hooks_with_kwargs _backward_hooks _backward_pre_hooks _state_dict_hooks"
    " _state_dict_pre_hooks _load_state_dict_pre_hooks _load_state_dict_post_hooks"
)


def _fits(*words: str) -> Check:
    return lambda value: any(CHECKS[word](value) for word in words)


def _has(*bits: int) -> Check:
    return lambda value: any(kinds(value) & bit for bit in bits)


def _activation(value: Any) -> bool:
    return bool(kinds(value) & VALUE) or named(value, "activation")


_MODULE: dict[str, Check] = {
    "_parameters": CHECKS["tensors"],
    "_buffers": CHECKS["tensors"],
    "_modules": CHECKS["modules"],
    **dict.fromkeys(_HOOKS.split(), CHECKS["hooks"]),
}
# torch's recurrent layers list their weights anew when they are given their state.
_RECURRENT = _MODULE | {
    "_all_weights": CHECKS["data"],
    "all_weights": CHECKS["data"],
    "_flat_weights_names": CHECKS["data"],
    "_flat_weights": CHECKS["values"],
    "num_layers": CHECKS["count"],
    "bidirectional": CHECKS["data"],
    "bias": CHECKS["data"],
    "proj_size": CHECKS["data"],
}
_RECURRENT_READS = frozenset(_RECURRENT) - frozenset(_MODULE)
_LAYER = _MODULE | {"activation": _activation}
# Detectors of faces keep the method that they were fused to as their own `forward`; those of 2023
# keep their parent's as `detect`.
_METHOD = _has(VALUE, BOUND)
_ULTRALYTICS = _MODULE | {"forward": _METHOD, "detect": _METHOD, "criterion": _has(VALUE, LOSS)}
_COUNTS = ("all_head_dim", "head_dim", "num_heads")
_COUNTED = _ULTRALYTICS | dict.fromkeys(_COUNTS, CHECKS["count"])
_PART = _has(VALUE, MODULE, LOSS)
_LOSS: dict[str, Check] = dict.fromkeys(
    ("assigner", "bbox_loss", "bce", "bce_pose", "bcedice_loss", "ce", "dice", "flow_model",
     "keypoint_loss",
     "one2many", "one2one", "rle_loss", "vp_criterion"), _PART
)  # fmt: skip
_METADATA: dict[str, Check] = dict.fromkeys(
    ("ref_type", "object_type", "key_type", "element_type"), _fits("none", "annotation")
)
_NODE: dict[str, Check] = {"_metadata": CHECKS["metadata"], "_parent": CHECKS["parent"]}
_ARRAY_WRAPPER: dict[str, Check] = {
    "subclass": CHECKS["ndarray"],
    "shape": CHECKS["ints"],
    "order": CHECKS["text"],
    "dtype": _fits("numpy_dtype", "object_dtype"),
    "allow_mmap": CHECKS["bool"],
    "numpy_array_alignment_bytes": _fits("int", "none"),
}

_BLOCKS = (
    "AAttn ABlock A2C2f AConv ADown Attention BNContrastiveHead Bottleneck BottleneckCSP C1 C2 C2f"
    " C2fAttn C2fCIB C2fPSA C2PSA C3 C3f C3Ghost C3k C3k2 C3TR C3x CBFuse CBLinear CIB"
    " ContrastiveHead DFL ELAN1 GhostBottleneck HGBlock HGStem ImagePoolingAttn"
    " MaxSigmoidAttnBlock Proto Proto26 PSA PSABlock RealNVP RepBottleneck RepC3 RepCSP"
    " RepNCSPELAN4 RepVGGDW Residual ResNetBlock ResNetLayer SAVPE SCDown SPP SPPELAN SPPF"
    " SwiGLUFFN TorchVision"
)
_CONVOLUTIONS = (
    "CBAM ChannelAttention Concat Conv Conv2 ConvTranspose DWConv DWConvTranspose2d Focus GhostConv"
    " Index LightConv RepConv SpatialAttention"
)
_HEADS = (
    "Classify Depth Detect LRPCHead OBB OBB26 Pose Pose26 RTDETRDecoder Segment Segment26"
    " SemanticSegment v10Detect WorldDetect YOLOEDetect YOLOESegment YOLOESegment26"
)
_TRANSFORMERS = (
    "AIFI DeformableTransformerDecoder DeformableTransformerDecoderLayer LayerNorm2d MLP MLPBlock"
    " MSDeformAttn TransformerBlock TransformerEncoderLayer TransformerLayer"
)
_MODELS = (
    "ClassificationModel DepthModel DetectionModel OBBModel PoseModel RTDETRDetectionModel"
    " SegmentationModel SemanticSegmentationModel WorldModel YOLOEModel YOLOESegModel"
    " YOLOv10DetectionModel"
)
_LOSS_MODULES = (
    "BCEDiceLoss BboxLoss DFLoss FocalLoss KeypointLoss MultiChannelDiceLoss RLELoss"
    " RotatedBboxLoss SemanticSegmentationLoss VarifocalLoss"
)
_LOSSES = (
    "DepthLoss26 E2EDetectLoss E2ELoss PoseLoss26 SegmentLoss26 TVPDetectLoss TVPSegmentLoss"
    " v10DetectLoss v8ClassificationLoss v8DetectionLoss v8OBBLoss v8PoseLoss v8SegmentationLoss"
)
_TORCH = {
    "activation": (
        "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid"
        " LogSoftmax Mish MultiheadAttention PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax"
        " Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold"
    ),
    "adaptive": "AdaptiveLogSoftmaxWithLoss",
    "batchnorm": "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm",
    "channelshuffle": "ChannelShuffle",
    "container": "ModuleDict ModuleList ParameterDict ParameterList Sequential",
    "conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    "distance": "CosineSimilarity PairwiseDistance",
    "dropout": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
    "flatten": "Flatten Unflatten",
    "fold": "Fold Unfold",
    "instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
    "linear": "Bilinear Identity Linear NonDynamicallyQuantizableLinear",
    "loss": (
        "BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss"
        " HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss MarginRankingLoss"
        " MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PoissonNLLLoss"
        " SmoothL1Loss SoftMarginLoss TripletMarginLoss"
    ),
    "module": "Module",
    "normalization": "CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "padding": (
        "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d"
        " ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d"
        " ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d"
    ),
    "pixelshuffle": "PixelShuffle PixelUnshuffle",
    "pooling": (
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d"
        " AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d FractionalMaxPool2d FractionalMaxPool3d"
        " LPPool1d LPPool2d LPPool3d MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d"
        " MaxUnpool3d"
    ),
    "sparse": "Embedding EmbeddingBag",
    "upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
}
_TORCH_LAYERS = {
    "transformer": (
        "Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder"
        " TransformerEncoderLayer"
    )
}
_TORCH_RECURRENT = {"rnn": "GRU GRUCell LSTM LSTMCell RNN RNNCell"}

Group = tuple[dict[str, str], int | str, dict[str, Check], str]
_IN_TORCH, _IN_ULTRALYTICS = "torch.nn.modules.", "ultralytics.nn.modules."


def _groups() -> list[Group]:
    """Module → names; what NEWOBJ makes; the checks of attributes; roles."""
    return [*_of_torch(), *_of_ultralytics(), *_of_omegaconf(), *_others()]


def _of_torch() -> list[Group]:
    module = MODULE | NO_MODULE
    return [
        (_within(_IN_TORCH, _TORCH), module, _MODULE, "module"),
        (_within(_IN_TORCH, _TORCH_LAYERS), module, _LAYER, "module"),
        (_within(_IN_TORCH, _TORCH_RECURRENT), module, _RECURRENT, "module"),
        ({"torch.nn.parallel.data_parallel": "DataParallel"}, module, _MODULE, "module"),
    ]


def _of_ultralytics() -> list[Group]:
    module = MODULE | NO_MODULE
    yolo = {
        "ultralytics.nn.modules": f"{_BLOCKS} {_CONVOLUTIONS} {_HEADS} {_TRANSFORMERS}",
        f"{_IN_ULTRALYTICS}activation": "AGLU",
        f"{_IN_ULTRALYTICS}block": _BLOCKS,
        f"{_IN_ULTRALYTICS}conv": _CONVOLUTIONS,
        f"{_IN_ULTRALYTICS}head": _HEADS,
        f"{_IN_ULTRALYTICS}transformer": _TRANSFORMERS,
        "ultralytics.nn.tasks": _MODELS,
        "ultralytics.utils.loss": _LOSS_MODULES,
        "ultralytics.yolo.utils.loss": _LOSS_MODULES,
        "ultralytics.utils.tal": (
            "PoseTaskAlignedAssigner RotatedTaskAlignedAssigner SegTaskAlignedAssigner"
            " TaskAlignedAssigner"
        ),
        "ultralytics.yolo.utils.tal": "TaskAlignedAssigner",
    }
    counted = dict.fromkeys(("ultralytics.nn.modules", f"{_IN_ULTRALYTICS}block"), "AAttn")
    losses = {"ultralytics.utils.loss": _LOSSES, "ultralytics.yolo.utils.loss": _LOSSES}
    return [
        (yolo, module, _ULTRALYTICS, "module has_methods"),
        (counted, module, _COUNTED, "module has_methods"),
        (losses, LOSS, _LOSS, ""),
    ]


def _of_omegaconf() -> list[Group]:
    settings = {
        "omegaconf.base": "UnionNode",
        "omegaconf.dictconfig": "DictConfig",
        "omegaconf.listconfig": "ListConfig",
        "omegaconf.tupleconfig": "TupleConfig",
        "omegaconf.nodes": (
            "AnyNode BooleanNode BytesNode FloatNode IntegerNode NoneNode PathNode StringNode"
            " InterpolationResultNode"
        ),
    }
    return [
        ({"omegaconf.base": "ContainerMetadata Metadata"}, VALUE | METADATA, _METADATA, ""),
        (settings, VALUE | NODE, _NODE, ""),
    ]


def _others() -> list[Group]:
    spaces = {
        "argparse": "Namespace",
        "types": "SimpleNamespace",
        "ultralytics.utils": "IterableSimpleNamespace",
        "ultralytics.yolo.utils": "IterableSimpleNamespace",
    }
    attribute_dicts = dict.fromkeys(
        ("pytorch_lightning.utilities.parsing", "lightning_fabric.utilities.data",
         "lightning.fabric.utilities.data", "lightning.pytorch.utilities.parsing"),
        "AttributeDict",
    )  # fmt: skip
    return [
        (spaces, VALUE, {}, ""),
        (attribute_dicts, "AttributeDict", {}, ""),
        ({"joblib.numpy_pickle": "NumpyArrayWrapper"}, VALUE, _ARRAY_WRAPPER, "array_wrapper"),
    ]


def _within(package: str, modules: dict[str, str]) -> dict[str, str]:
    return {package + module: names for module, names in modules.items()}


def _fields(bare: int | str, checks: dict[str, Check]) -> Fields:
    reads = frozenset[str]()
    if checks is _RECURRENT:
        reads = _RECURRENT_READS
    elif checks is _COUNTED:
        reads = frozenset(_COUNTS)
    # torch and OmegaConf complete old states in place.
    changes = isinstance(bare, int) and bool(bare & (MODULE | NODE))
    return Fields(checks, reads, changes)


def class_rows() -> dict[tuple[str, str], Row]:
    """Return the rows of the classes that may be made bare."""
    rows: dict[tuple[str, str], Row] = {}
    for modules, bare, checks, roles in _groups():
        for module, names in modules.items():
            for name in names.split():
                rows[module, name] = Row(
                    module,
                    name,
                    bare=bare,
                    state=_fields(bare, checks),
                    roles=frozenset(roles.split()),
                )
    return rows


# Attributes of a tensor that are set by code of torch's own, not kept as they are.
_OWN = (
    "data grad _grad real imag requires_grad names retains_grad volatile grad_dtype output_nr"
    " _backward_hooks _post_accumulate_grad_hooks _base _grad_fn _cdata _version grad_fn is_leaf"
)
TENSOR_OWN = frozenset(_OWN.split())
WATCHED = TENSOR_OWN | {name for _, _, checks, _ in _groups() for name in checks}
"""Attributes that some rule asks for."""
