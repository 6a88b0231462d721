"""Where changes take their nodes from."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from tests.proof.assemble import named
from tests.proof.mutants.tree import Node, walk

WORDS = """
keys items values add append extend forward forward_fuse __setstate__ __class__ __dict__ __call__
__reduce_ex__ __hash__ __eq__ __getattr__ dtype shape data grad detach startswith split lower type
_modules _parameters _buffers _forward_hooks _forward_pre_hooks _backward_hooks training weight bias
activation act conv model criterion bce assigner yaml names args state_dict callbacks 0 1 f4 O
extra_repr _metadata _content _val _parent key_type element_type ref_type object_type flags cpu x
latin1 rot13 torch.strided torch.sparse_coo is_coalesced persistent requires_grad dump_patches cv1
""".split()
NAMES = """
collections.OrderedDict collections.Counter collections.defaultdict collections.deque builtins.set
builtins.frozenset builtins.list builtins.dict builtins.tuple builtins.int builtins.str
builtins.bytearray builtins.bytes builtins.complex builtins.slice builtins.range builtins.object
builtins.getattr builtins.bool builtins.float builtins.Ellipsis argparse.Namespace
types.SimpleNamespace torch.Size torch.device torch.Tensor torch.float32 torch.strided
torch.FloatStorage torch.LongStorage torch.storage.UntypedStorage torch.nn.parameter.Parameter
torch.nn.parameter.Buffer torch.nn.parameter.UninitializedParameter torch._tensor.Tensor
torch._utils._rebuild_tensor torch._utils._rebuild_tensor_v2 torch._utils._rebuild_tensor_v3
torch._utils._rebuild_parameter torch._utils._rebuild_parameter_with_state
torch._utils._rebuild_qtensor torch._utils._rebuild_sparse_tensor
torch._utils._rebuild_meta_tensor_no_storage torch._utils._rebuild_nested_tensor
torch._tensor._rebuild_from_type_v2 torch.serialization._get_layout
torch.torch_version.TorchVersion numpy.dtype numpy.ndarray numpy._core.multiarray._reconstruct
numpy._core.multiarray.scalar numpy._core.numeric._frombuffer numpy.float32 _codecs.encode
copyreg._reconstructor datetime.datetime datetime.date datetime.timedelta datetime.time
datetime.timezone pathlib.PosixPath pathlib.PurePosixPath pathlib.PureWindowsPath typing.Any
pytorch_lightning.utilities.parsing.AttributeDict lightning_fabric.utilities.data.AttributeDict
pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint omegaconf.dictconfig.DictConfig
omegaconf.listconfig.ListConfig omegaconf.base.ContainerMetadata omegaconf.base.Metadata
omegaconf.nodes.AnyNode omegaconf.nodes.StringNode torch.nn.functional.relu torch._C._nn.gelu
torch.nn.modules.linear.Linear torch.nn.modules.linear.Identity torch.nn.modules.conv.Conv2d
torch.nn.modules.container.Sequential torch.nn.modules.container.ModuleDict
torch.nn.modules.container.ModuleList torch.nn.modules.container.ParameterDict
torch.nn.modules.container.ParameterList torch.nn.modules.activation.SiLU
torch.nn.modules.activation.MultiheadAttention torch.nn.modules.rnn.LSTM
torch.nn.modules.transformer.TransformerEncoderLayer torch.nn.modules.upsampling.Upsample
torch.nn.modules.batchnorm.BatchNorm2d torch.nn.modules.sparse.Embedding
ultralytics.nn.tasks.DetectionModel ultralytics.nn.tasks.ClassificationModel
ultralytics.nn.modules.conv.Conv ultralytics.nn.modules.conv.Index
ultralytics.nn.modules.conv.Concat ultralytics.nn.modules.block.C2f
ultralytics.nn.modules.block.C2fAttn ultralytics.nn.modules.block.DFL
ultralytics.nn.modules.head.Detect ultralytics.utils.IterableSimpleNamespace
ultralytics.utils.loss.v8DetectionLoss ultralytics.utils.tal.TaskAlignedAssigner
joblib.numpy_pickle.NumpyArrayWrapper
""".split()
_CALLED = 22  # of the first names: what takes one argument and asks it for something


@dataclass(frozen=True)
class Pool:
    """Nodes of all seeds by the opcode that makes them, and names and words."""

    by_code: dict[bytes, list[Node]]
    bad: list[Node]
    wholes: tuple[Node, ...]
    words: tuple[str, ...] = tuple(WORDS)

    def like(self, node: Node, draw: Random) -> Node:
        """Draw a node that the same opcode makes."""
        return draw.choice(self.by_code.get(node.code) or [node])

    def any(self, draw: Random) -> Node:
        """Draw a node; each kind is as likely as the others."""
        return draw.choice(self.by_code[draw.choice(sorted(self.by_code))])

    def state(self, draw: Random) -> Node:
        """Draw a dict."""
        return draw.choice(self.by_code[b"u"])

    def name(self, draw: Random) -> Node:
        """Draw a name that a judge must allow for something."""
        return _named(draw.choice(NAMES))

    def called(self, draw: Random) -> Node:
        """Draw a name that is often called."""
        return _named(NAMES[draw.randrange(_CALLED)])

    def whole(self, draw: Random) -> Node:
        """Draw an honest pickle."""
        return draw.choice(self.wholes)

    def hostile(self, draw: Random) -> Node:
        """Draw a part of a hostile pickle."""
        return draw.choice(self.bad)


@functools.cache
def _named(dotted: str) -> Node:
    return Node((named(dotted),))


def pool_of(good: Sequence[Node], bad: Iterable[Node]) -> Pool:
    """Gather the nodes of honest seeds, and those of hostile ones apart."""
    by_code = defaultdict[bytes, list[Node]](list)
    for tree in good:
        for _, node in walk(tree):
            by_code[node.code].append(node)
    parts = [node for tree in bad for _, node in walk(tree) if len(node.pieces) > 1]
    return Pool(dict(by_code), parts, tuple(good))
