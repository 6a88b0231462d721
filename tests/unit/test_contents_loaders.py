"""What is chosen of any repository is what its loader opens: the same files, or nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.providers.huggingface.answers import HubItem
from comfyfix.records import Reads
from comfyfix.sources.contents import Asked, Chosen, choose, worth_reading
from tests import directory_loaders as loaders
from tests.directory_loaders import Loader

SHARDS = [f"model-0000{number}-of-00002.safetensors" for number in (0, 1, 2)]
MODEL = [
    "config.json", "model.safetensors", "model.safetensors.index.json", *SHARDS,
    "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json",
    "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
    "tokenizer.json", "tokenizer_config.json", "merges.txt", "spiece.model", "code.py", "README.md",
]  # fmt: skip
PART = [
    "config.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model-00001-of-00002.safetensors",
    "diffusion_pytorch_model-00002-of-00002.safetensors", "model.safetensors",
    "model.fp16.safetensors", "pytorch_model.bin", "scheduler_config.json",
    "vocab.json", "preprocessor_config.json",
]  # fmt: skip
FOLDERS = ("unet", "vae", "text_encoder", "scheduler")
PIPELINE = ["model_index.json", *(f"{folder}/{name}" for folder in FOLDERS for name in PART)]
NUNCHAKU = ["config.json", "transformer_blocks.safetensors", "unquantized_layers.safetensors",
            "comfy_config.json", "README.md"]  # fmt: skip
CLASSES = {"scheduler": "DDIMScheduler"}
KINDS: dict[str, tuple[Reads, str, Loader, list[str]]] = {
    "transformers": (Reads.TRANSFORMERS, "", loaders.transformers, MODEL),
    "component": (Reads.COMPONENT, "", loaders.component, PART),
    "checkpoint": (Reads.CHECKPOINT, "", loaders.checkpoint, PIPELINE),
    "pipeline": (Reads.PIPELINE, "", loaders.pipeline(), PIPELINE),
    "fp16": (Reads.PIPELINE, "fp16", loaders.pipeline("fp16"), PIPELINE),
    "nunchaku": (Reads.NUNCHAKU, "", loaders.nunchaku, NUNCHAKU),
}


def content(path: str, parts: list[str], shards: list[str]) -> bytes:
    name = path.rpartition("/")[2]
    if name == "model_index.json":
        return json.dumps({part: ["x", CLASSES.get(part, "Model")] for part in parts}).encode()
    if name.endswith(".index.json"):
        stem, ending = name.removesuffix(".index.json").rsplit(".", 1)
        named = [s for s in shards if s.startswith(stem) and s.endswith(ending)]
        return json.dumps(
            {"weight_map": dict(enumerate(named or [f"{stem}-1-of-1.{ending}"]))}
        ).encode()
    return path.encode()


def opened(loader: Loader, files: Mapping[str, bytes]) -> set[str] | None:
    with tempfile.TemporaryDirectory() as name:
        for path, data in files.items():
            where = Path(name, path)
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(data)
        try:
            return {path.relative_to(name).as_posix() for path in loader(Path(name))}
        except FileNotFoundError:
            return None


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(data=st.data())
def test_chosen_is_what_the_loader_opens(kind: str, data: st.DataObject) -> None:
    reads, variant, loader, universe = KINDS[kind]
    # Most are there, or hardly a repository would be whole.
    lost = data.draw(st.sets(st.sampled_from(universe), max_size=len(universe) // 2))
    parts = data.draw(st.lists(st.sampled_from(FOLDERS), min_size=1, unique=True))
    told = [path.rpartition("/")[2] for path in universe if "-of-" in path]
    shards = data.draw(st.lists(st.sampled_from(sorted(set(told)) or ["x"]), unique=True))
    files = {path: content(path, parts, shards) for path in universe if path not in lost}
    listing = {path: HubItem(size=len(body)) for path, body in files.items()}
    asked = Asked(reads=reads, name="x", inside="", variant=variant)
    texts = {path: files[path] for path in worth_reading(listing, asked)}
    found = choose(listing, asked, texts)
    whole = opened(loader, files)
    if isinstance(found, Chosen):
        some = {path: files[path] for path in found.files}
        own = opened(loader, some)
        assert own is not None
        # All of it may be worse: shards that are not whole stand in the way of pickles that are.
        assert whole in (own, None)
        weights = (".safetensors", ".bin")
        assert {p for p in some if p.endswith(weights)} == {p for p in own if p.endswith(weights)}
