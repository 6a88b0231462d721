"""What a file name says: words to search for, and how well it tells its file from others.

Services search names of repositories and models, not of files, so the words have to be picked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from comfyfix import endings

QUERIES_MAX = 4
SHORT = 3  # letters; shorter words are contained in too many others to be searched alone
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
# Words of such names: they say what kind of file it is, never which.
_COMMON = (frozenset(word for name in GENERIC for word in name.split("_")) - {"adapter"}) | {
    *("loras", "models", "checkpoints", "encoder", "decoder", "transformer", "image"),
    *("video", "ckpt", "safetensors", "final", "last", "best", "latest", "new", "test", "and"),
    *("base", "comfyui", "comfy", "main", "epoch", "step", "index", "ema", "merged", "quantized"),
}
# Words that describe how a file was made, not what it is.
_MAKING = re.compile(
    r"^(fp\d+|bf16|f16|f32|int[48]|nf4|nvfp4|q\d.*|e[45]m[23](fn)?|scaled|mixed|pruned|ema(only)?|"
    r"full|safetensors|v?\d+([._]\d+)*|\d+b|\d+steps?|rank\d*|dim\d+|gguf|convrot|[a-z])$"
)
SHARDS_MAX = 1000
SHARD = re.compile(
    r"(?P<stem>.+?)[-_.](?P<number>[0-9]{1,6})-of-(?P<count>[0-9]{1,6})"
    r"(?P<variant>(?:\.[A-Za-z0-9]{1,16})?)\.(?P<ending>safetensors|bin|pt|gguf)"
)
"""The name of one part of a set: `model-00002-of-00005.safetensors` is the second of five."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def shards(path: str) -> tuple[str, ...]:
    """The paths of all parts of a set, where a path is that of one; of any other file none.

    Some count from nought, which one alone can't tell but the first.
    """
    folder, slash, name = path.rpartition("/")
    found = SHARD.fullmatch(name)
    if found is None:
        return ()
    number, count = int(found["number"]), int(found["count"])
    if not number <= count or not 1 < count <= SHARDS_MAX:
        return ()
    start, end = found.span("number")
    begin, rest = f"{folder}{slash}{name[:start]}", name[end:]
    first = 1 if number else 0
    return tuple(f"{begin}{part:0{end - start}}{rest}" for part in range(first, first + count))


def queries(name: str) -> list[str]:
    """Words to search for, from the whole stem down to its first telling word."""
    stem = endings.stem(name)
    words = _split(stem)
    # `rife49` is published as RIFE: the letters before a number are a word too.
    roots = [match.group() for word in words if (match := re.match(r"[A-Za-z]{3,}(?=\d)", word))]
    telling = [word for word in words if not _MAKING.match(word.lower())] or words
    ladder = [stem, " ".join(telling), " ".join(telling[:3]), " ".join(telling[:2])]
    ladder += [word for word in (*roots[:1], *telling[:2]) if len(word) > SHORT]
    return list(dict.fromkeys(query for query in ladder if query))[:QUERIES_MAX]


def plain(name: str) -> str:
    """A file's name in lower case, with `_` for every separator and dot: what akin names share."""
    return name.casefold().replace("-", "_").replace(" ", "_").replace(".", "_")


def plain_all(names: Sequence[str]) -> list[str]:
    """`plain` of many file names at once, several times as fast as one by one."""
    if not names:
        return []
    # No file name holds a NUL, and casefold looks at no neighbour, so all go through as one text.
    return plain("\0".join(names)).split("\0")


def loose(name: str) -> str:
    """A name made plain, however many separators stand together: repositories are freer there."""
    return re.sub(r"[\s_]+", "_", plain(name)).strip("_")


def humps(word: str) -> list[str]:
    """What a compound of capitals falls into: `RealESRGAN` is `Real` and `ESRGAN`."""
    return _CAMEL.split(word)


def difference(one: str, other: str) -> tuple[int, str, str]:
    """Where two texts differ, and what stands there in each, up to the end that they share."""
    shorter = min(len(one), len(other))
    start = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    rest = shorter - start
    end = next((i for i in range(rest) if one[-1 - i] != other[-1 - i]), rest)
    return start, one[start : len(one) - end], other[start : len(other) - end]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one file name, lower case: `telling` ones, most telling first, and `marks`.

    A mark is how a file was made or which of its kind it is: `fp8`, `v2`, `14b`, `rank64`.
    `pieces` are what a compound of capitals falls into: `RealESRGAN` is `real` and `esrgan`.
    """

    stem: str
    telling: tuple[str, ...]
    marks: tuple[str, ...]
    pieces: tuple[str, ...]

    @property
    def generic(self) -> bool:
        """True when no word says which file it is."""
        if self.stem in GENERIC:
            return True
        return not self.telling and (not self.marks or self._kind_only)

    @property
    def _kind_only(self) -> bool:
        """Tell whether a word of the kind of file is all there is beside marks."""
        words = set(self.stem.split("_"))
        return bool(words & _COMMON) and not any(len(mark) == 1 for mark in self.marks)

    def in_repository(self, repo: str) -> int:
        """How many telling words a repository's name holds."""
        name = repo.casefold()
        bare = re.sub(r"[^0-9a-z]", "", name)
        return sum(word in name or word in bare for word in self.telling)


def read(name: str) -> Words:
    """Take a file name apart."""
    stem = endings.stem(name)
    telling: list[str] = []
    marks: list[str] = []
    for word in _split(stem):
        lower = word.casefold()
        if _MAKING.match(lower):
            marks.append(lower)
        elif lower not in _COMMON:
            root = re.match(r"[^\W\d_]{3,}(?=\d)", lower)
            telling.append(root.group() if root else lower)
            marks += [lower] if root else []
    telling.sort(key=lambda word: len(word) < SHORT)  # stable: the family's name comes first
    pieces = [p.casefold() for word in _split(stem) for p in humps(word)]
    known = {*telling, *marks, *_COMMON}
    return Words(
        loose(stem),
        tuple(dict.fromkeys(telling)),
        tuple(dict.fromkeys(marks)),
        tuple(dict.fromkeys(p for p in pieces if len(p) > SHORT and p not in known)),
    )


def _split(stem: str) -> list[str]:
    return [word for word in re.split(r"[\s_.\-()\[\]+,]+", stem) if word]
