"""What loaders open in a directory, in the order in which their sources try names.

A stand-in for the loaders themselves: given a directory, each yields the files that it opens, and
raises FileNotFoundError where the loader would end. So two directories can be compared: all of a
repository, and what was fetched of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

WORDS = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model",
    "sentencepiece.bpe.model", "chat_template.jinja", "chat_template.json",
    "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json",
    "generation_config.json",
)  # fmt: skip
MODEL = ("model.safetensors", "pytorch_model.bin")
DIFFUSION = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
NO_WEIGHTS = ("Scheduler", "Tokenizer", "TokenizerFast", "Processor", "ImageProcessor", "Extractor")
Loader = Callable[[Path], Iterator[Path]]


def _must(path: Path) -> Path:
    if not path.is_file() or not path.stat().st_size:
        raise FileNotFoundError(path)
    return path


def _weights(folder: Path, names: Sequence[str], variant: str = "") -> Iterator[Path]:
    """The first weights there are: a file, or what an index names."""
    tried = [_varied(name, variant) for name in names] if variant else []
    for name, index in [*tried, *((name, f"{name}.index.json") for name in names)]:
        if (folder / name).is_file():
            yield folder / name
            return
        if (folder / index).is_file():
            yield folder / index
            shards = json.loads((folder / index).read_text())["weight_map"].values()
            for shard in sorted(set(shards)):
                yield _must(folder / shard)
            return
    raise FileNotFoundError(folder / names[0])


def _varied(name: str, variant: str) -> tuple[str, str]:
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{variant}.{ending}", f"{stem}.{ending}.index.{variant}.json"


def _words(folder: Path) -> Iterator[Path]:
    for name in WORDS:
        if (folder / name).is_file():
            yield folder / name


def transformers(folder: Path) -> Iterator[Path]:
    """`from_pretrained` of a model, its tokenizer and its processor."""
    yield _must(folder / "config.json")
    yield from _weights(folder, MODEL)
    yield from _words(folder)


def component(folder: Path) -> Iterator[Path]:
    """`from_pretrained` of a part of diffusers by itself."""
    yield _must(folder / "config.json")
    yield from _weights(folder, DIFFUSION)


def pipeline(variant: str = "") -> Loader:
    """`DiffusionPipeline.from_pretrained`, perhaps for a precision."""

    def load(folder: Path) -> Iterator[Path]:
        yield _must(folder / "model_index.json")
        index = json.loads((folder / "model_index.json").read_text())
        for name, value in index.items():
            if name.startswith("_") or not isinstance(value, list) or value[-1] is None:
                continue
            part = folder / name
            if value[-1].endswith("Scheduler"):
                yield _must(part / "scheduler_config.json")
            elif value[-1].endswith(NO_WEIGHTS):
                opened = list(_words(part))
                if not opened:
                    raise FileNotFoundError(part)
                yield from opened
            else:
                yield _must(part / "config.json")
                yield from _weights(part, (*DIFFUSION, *MODEL), variant)

    return load


def checkpoint(folder: Path) -> Iterator[Path]:
    """ComfyUI's `DiffusersLoader`."""
    yield _must(folder / "model_index.json")  # or it is not listed
    for part, safe, pickled in (
        ("unet", "diffusion_pytorch_model", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model", "diffusion_pytorch_model"),
        ("text_encoder", "model", "pytorch_model"),
        ("text_encoder_2", "model", "pytorch_model"),
    ):
        names = [f"{safe}.fp16.safetensors", f"{safe}.safetensors", f"{pickled}.fp16.bin"]
        there = [n for n in (*names, f"{pickled}.bin") if (folder / part / n).is_file()]
        if there or part != "text_encoder_2":
            yield _must(folder / part / (there or names)[0])


def nunchaku(folder: Path) -> Iterator[Path]:
    """The transformer of nunchaku from a folder."""
    for name in ("config.json", "transformer_blocks.safetensors", "unquantized_layers.safetensors"):
        yield _must(folder / name)
    if (folder / "comfy_config.json").is_file():
        yield folder / "comfy_config.json"


def gemma(folder: Path) -> Iterator[Path]:
    """LTXV's loader of text encoders, which looks for each kind of file in the folder."""
    yield from transformers(folder)
    for name in ("tokenizer.model", "preprocessor_config.json"):
        yield _must(folder / name)


def split(*names: str) -> Loader:
    """A reader of shards that knows the others by their numbers."""

    def load(folder: Path) -> Iterator[Path]:
        for name in names:
            yield _must(folder / name)

    return load
