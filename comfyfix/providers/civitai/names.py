"""The words that find a model of Civitai by the name of its file.

Civitai names a download after model and version (`juggernautXL_v9Lightning.safetensors`), but for
LoRAs and VAEs; its search knows names of models, not of files.
"""

from __future__ import annotations

import re

from comfyfix.file_names import humps, queries

QUERIES_MAX = 2
_HEAD = re.compile(r"[a-z]{5,}")
_FUSED = re.compile(r"[A-Za-z]{3,}[0-9]+[A-Za-z]+")
_NUMBERED = re.compile(r"([A-Za-z]{2,}?)[vV]?[0-9]+")


def model_queries(name: str) -> list[str]:
    """Words to search model names for, the likeliest first.

    `juggernautXL_v9Lightning.safetensors` comes from a model whose name has the words
    `juggernaut` and `XL`; numbers at an end are left out, since `V60` was `V6.0` there, those in
    the middle begin a word: `xxmix9realistic` was `XXMix_9realistic`.
    """
    head, underscore, _ = name.rpartition(".")[0].partition("_")
    pieces = humps(head)
    words = [word for piece in pieces for word in _words(piece)]
    civitais = bool(_HEAD.fullmatch(head)) or len(pieces) > 1
    is_compound = len(words) > 1 or bool(underscore and civitais)
    first = [" ".join(words)] if is_compound and words else []
    return list(dict.fromkeys([*first, *queries(name)]))[:QUERIES_MAX]


def _words(piece: str) -> list[str]:
    """The words in a piece of a compound."""
    if piece.isalpha():
        return [piece]
    if _FUSED.fullmatch(piece):
        return re.split(r"(?<=[A-Za-z])(?=[0-9])", piece, maxsplit=1)
    numbered = _NUMBERED.fullmatch(piece)
    return [numbered.group(1)] if numbered else []
