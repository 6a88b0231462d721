"""Words to search for, from a file name: services search names of models, not of files."""

from __future__ import annotations

import re

QUERIES_MAX = 4
# Names that thousands of repositories use for different files: a search can't tell which.
GENERIC = frozenset(
    {
        "model",
        "diffusion_pytorch_model",
        "pytorch_model",
        "adapter_model",
        "pytorch_lora_weights",
        "lora",
        "unet",
        "vae",
        "text_encoder",
        "clip",
        "weights",
        "checkpoint",
        "config",
        "embeddings",
    }
)
# Words that describe how a file was made, not what it is.
_MAKING = re.compile(
    r"^(fp\d+|bf16|f16|f32|int[48]|nf4|q\d.*|e[45]m[23]fn|scaled|pruned|ema(only)?|full|"
    r"safetensors|v?\d+([._]\d+)*|\d+b|\d+steps?)$"
)


def queries(name: str) -> list[str]:
    """Words to search for, from the whole stem down to its first telling word."""
    stem = re.sub(r"\.(safetensors|ckpt|pth|pt2?|bin|gguf|onnx|sft|pkl)$", "", name, flags=re.I)
    words = [word for word in re.split(r"[\s_.\-]+", stem) if word]
    # `rife49` is published as RIFE: the letters before a number are a word too.
    roots = [match.group() for word in words if (match := re.match(r"[A-Za-z]{3,}(?=\d)", word))]
    telling = [word for word in words if not _MAKING.match(word.lower())] or words
    ladder = [stem, " ".join(telling), " ".join(telling[:3]), " ".join(telling[:2])]
    # Shorter words match anything.
    ladder += [word for word in (*roots[:1], *telling[:2]) if len(word) > 3]  # noqa: PLR2004
    return list(dict.fromkeys(query for query in ladder if query))[:QUERIES_MAX]
