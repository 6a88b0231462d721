"""The endings of model files: one list for all who ask, in lower case and with the dot."""

from __future__ import annotations

SAFETENSORS = (".safetensors", ".sft")
TORCH = (".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl")
"""What torch loads: a pickle, in a zip or not."""
PICKLES = (*TORCH, ".pickle", ".joblib")
"""Files whose loading may run code."""
CORE = frozenset((*SAFETENSORS, *TORCH))
"""What ComfyUI's core lists in nearly all of its folders."""
PACKS = frozenset({".gguf", ".onnx", ".engine"})
"""What node packs add: to the core's set, which all its keys share, or by a key of their own over
the core's directories. A value that ends so comes from such a pack's node, since the core's nodes
never list one; so these count wherever the core's endings do."""
LISTED = CORE | PACKS
"""What a name of a workflow must end in to be a model's, and a file of the store."""
CHECKPOINTS = (".safetensors", ".ckpt")
"""What checkpoints come in; inputs of preprocessors are called the same, and take others."""
EMBEDDINGS = (".safetensors", ".pt", ".bin")
"""What ComfyUI tries for an embedding that has none of them, in this order."""
TRIED = (".safetensors", ".pth", ".pt", ".bin")
"""What ComfyUI tries for a file whose name it makes itself, in this order."""
_CUT_OFF = LISTED.union(PICKLES, (".yaml",))


def is_pickle(name: str) -> bool:
    """Tell a file whose loading may run code."""
    return name.lower().endswith(PICKLES)


def stem(name: str) -> str:
    """Return a name without its ending; only a model's is one: `v1.5-pruned` keeps its number."""
    head, dot, ending = name.rpartition(".")
    return head if f"{dot}{ending}".lower() in _CUT_OFF else name
