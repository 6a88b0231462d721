"""Directories as they are published: what is fetched is what their loaders open, byte for byte.

Names are as publishers give them, contents are made up. Listings of real repositories are taken
from the folder that `COMFYFIX_LISTINGS` names: JSON files as the Hub describes a repository, with
the texts of its indexes and settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from tests import directory_loaders as loaders
from tests.directory_loaders import Loader
from tests.inprocess import InProcess as Site
from tests.inprocess import Ran

LISTINGS = Path(os.environ.get("COMFYFIX_LISTINGS", ""))
TYPE = {
    "diffusers": ("DiffusersLoader", "diffusers"),
    "delight": ("LoadStableDelightModel", "diffusers"),
    "florence": ("Florence2ModelLoader", "LLM"),
    "nunchaku": ("NunchakuFluxDiTLoader", "diffusion_models"),
    "gemma": ("LTXVGemmaCLIPModelLoader", "text_encoders"),
    "t5": ("T5v11Loader", "t5"),
    "gguf": ("CLIPLoaderGGUF", "text_encoders"),
    "any": ("NunchakuTextEncoderLoader", "text_encoders"),
}


@dataclass(frozen=True)
class Published:
    """One repository, the node that is to load it, and what its loader opens."""

    repo: str
    kind: str
    files: Mapping[str, bytes]
    loader: Loader
    value: str = ""
    inside: str = ""

    @property
    def name(self) -> str:
        return self.value or (self.inside or self.repo).rpartition("/")[2]

    def node(self) -> dict[str, object]:
        node_type, folder = TYPE[self.kind]
        shard = "/" in self.name or "-of-" in self.name
        place = (
            f"resolve/main/{self.name.rpartition('/')[2]}" if shard else f"tree/main/{self.inside}"
        )
        url = f"https://huggingface.co/{self.repo}/{place}".removesuffix("/tree/main/")
        hint = {"name": self.name, "url": url, "directory": folder}
        before = ["flux", "none", "none", 512, "enable"] if self.kind == "any" else []
        return {"id": 1, "type": node_type, "widgets_values": [*before, self.name],
                "properties": {"models": [hint]}}  # fmt: skip

    def place(self, models: Path) -> Path:
        """Where its loader looks."""
        path = models / TYPE[self.kind][1] / self.name
        return path.parent if "-of-" in self.name else path


def made(repo: str, path: str, texts: Mapping[str, str] | None = None) -> bytes:
    """The content of a file: what it says where others depend on it, else something of its kind."""
    if texts and path in texts:
        return texts[path].encode()
    if path.endswith((".safetensors", ".bin", ".gguf", ".onnx", ".pt", ".ckpt")):
        return file_for(path.rpartition("/")[2], seed=f"{repo}/{path}")
    if path.endswith(".model"):
        return b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02" + f"{repo}/{path}".encode()
    return json.dumps({"of": f"{repo}/{path}"}).encode()


def published(repo: str, kind: str, loader: Loader, paths: str, **more: str) -> Published:
    """A repository of these files; indexes and pipelines tell what there is."""
    names = paths.split()
    texts = dict(_telling(names))
    files = {path: made(repo, path, texts) for path in names}
    return Published(repo, kind, files, loader, **more)


def _telling(names: list[str]) -> Iterator[tuple[str, str]]:
    for path in names:
        folder, _, name = path.rpartition("/")
        if ".index." in name and name != "model_index.json":
            stem, ending = name.split(".index.")[0].rsplit(".", 1)
            start = f"{folder}/{stem}-" if folder else f"{stem}-"
            parts = [p for p in names if p.startswith(start) and p.endswith(f".{ending}")]
            told = {str(n): part.rpartition("/")[2] for n, part in enumerate(parts)}
            yield path, json.dumps({"weight_map": told})
        if name == "model_index.json":
            below = sorted({p.partition("/")[0] for p in names if "/" in p})
            classes = {name: ["diffusers", CLASSES.get(name, "Model")] for name in below}
            yield path, json.dumps(classes)


CLASSES = {
    "scheduler": "EulerDiscreteScheduler",
    "tokenizer": "CLIPTokenizer",
    "tokenizer_2": "CLIPTokenizer",
    "feature_extractor": "CLIPImageProcessor",
}
SD15 = """.gitattributes README.md model_index.json v1-5-pruned.safetensors v1-inference.yaml
 feature_extractor/preprocessor_config.json safety_checker/config.json
 safety_checker/model.safetensors safety_checker/pytorch_model.bin
 scheduler/scheduler_config.json text_encoder/config.json
 text_encoder/model.safetensors text_encoder/pytorch_model.bin tokenizer/merges.txt
 tokenizer/special_tokens_map.json tokenizer/tokenizer_config.json tokenizer/vocab.json
 unet/config.json unet/diffusion_pytorch_model.bin unet/diffusion_pytorch_model.fp16.safetensors
 unet/diffusion_pytorch_model.non_ema.safetensors unet/diffusion_pytorch_model.safetensors
 vae/config.json vae/diffusion_pytorch_model.bin vae/diffusion_pytorch_model.safetensors"""
XL = """README.md sd_xl_base_1.0.safetensors 01.png model_index.json scheduler/scheduler_config.json
 text_encoder/config.json text_encoder/flax_model.msgpack text_encoder/model.fp16.safetensors
 text_encoder/model.safetensors text_encoder_2/config.json text_encoder_2/model.fp16.safetensors
 text_encoder_2/model.safetensors tokenizer/merges.txt tokenizer/vocab.json
 tokenizer/tokenizer_config.json tokenizer_2/merges.txt tokenizer_2/vocab.json
 tokenizer_2/tokenizer_config.json unet/config.json vae/config.json
 unet/diffusion_pytorch_model.fp16.safetensors vae/diffusion_pytorch_model.fp16.safetensors
 unet/diffusion_pytorch_model.safetensors
 vae/diffusion_pytorch_model.safetensors"""
LLM = """.gitattributes LICENSE README.md config.json generation_config.json merges.txt vocab.json
 model-00001-of-00003.safetensors model-00002-of-00003.safetensors model-00003-of-00003.safetensors
 model.safetensors.index.json tokenizer.json tokenizer_config.json original/consolidated.00.pth
 original/params.json"""
FLORENCE = """README.md config.json configuration_florence2.py
 generation_config.json model.safetensors
 modeling_florence2.py preprocessor_config.json processing_florence2.py pytorch_model.bin
 tokenizer.json tokenizer_config.json vocab.json image.png"""
GEMMA = """README.md added_tokens.json config.json generation_config.json preprocessor_config.json
 processor_config.json special_tokens_map.json tokenizer.json tokenizer.model tokenizer_config.json
 model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json"""
T5 = """README.md config.json special_tokens_map.json spiece.model tokenizer_config.json tf_model.h5
 pytorch_model-00001-of-00002.bin pytorch_model-00002-of-00002.bin pytorch_model.bin.index.json"""
NUNCHAKU = """.gitattributes README.md comfy_config.json config.json transformer_blocks.safetensors
 unquantized_layers.safetensors"""
SPLIT = tuple(f"lantern-Q8_0-0000{number}-of-00002.gguf" for number in (1, 2))
SAMPLE = [
    published("lantern-lab/lantern-v1-5", "diffusers", loaders.checkpoint, SD15),
    published("lantern-lab/lantern-xl", "diffusers", loaders.checkpoint, XL),
    published("lantern-lab/lantern-delight", "delight", loaders.pipeline("fp16"), XL),
    published("lantern-lab/Lantern-3B", "florence", loaders.transformers, LLM),
    published("lantern-lab/Florence-2-lantern", "florence", loaders.transformers, FLORENCE),
    published("lantern-lab/svdq-int4-lantern", "nunchaku", loaders.nunchaku, NUNCHAKU),
    published("lantern-lab/gemma-lantern", "gemma", loaders.gemma, GEMMA,
              value="gemma-lantern/model-00001-of-00002.safetensors"),
    published("lantern-lab/t5-lantern", "t5", loaders.transformers, T5,
              value="t5-lantern/pytorch_model-00001-of-00002.bin"),
    published("lantern-lab/lantern-gguf", "gguf", loaders.split(*SPLIT),
              f"README.md lantern-Q4_K_M.gguf {SPLIT[0]} {SPLIT[1]}", value=SPLIT[0]),
]  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch,
         capfd: pytest.CaptureFixture[str]) -> Site:  # fmt: skip
    return Site(tmp_path / "project", hub, monkeypatch, capfd)


def fetched(ones: Sequence[Published], site: Site, hub: Hub, tmp_path: Path) -> Ran:
    """Publish repositories, whole ones in `snapshot`, and fetch what a workflow names of them."""
    for one in ones:
        for path, data in one.files.items():
            where = tmp_path / "snapshot" / one.repo / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(data)
        hub.add(one.repo, ()).files.update(one.files)
    nodes = [{**one.node(), "id": number} for number, one in enumerate(ones)]
    (site.workflows / "w.json").write_text(json.dumps({"nodes": nodes, "links": []}))
    done = site.run()
    assert not [p for p in site.models.rglob(".*.new") if p.is_dir()], done.out
    return done


def outcome(one: Published, site: Site, hub: Hub, tmp_path: Path) -> str:
    """Fetch it, and tell how it ended: `same` to its loader as the whole repository, or why not."""
    done = fetched([one], site, hub, tmp_path)
    if done.code != 0:
        assert not one.place(site.models).exists(), done.out
        (model,) = site.state("ledger.json")["models"].values()
        return str(model["attempts"][-1]["outcome"])
    require_same(one, site, tmp_path)
    return "same"


def require_same(one: Published, site: Site, tmp_path: Path) -> None:
    """Hold what was fetched against the whole repository, as the loader sees them."""
    place = one.place(site.models)
    here = [path.name for path in place.rglob("*") if path.is_file()]
    assert not any(name.endswith((".py", ".md", ".png", ".h5")) for name in here), here
    whole = opened(one.loader, tmp_path / "snapshot" / one.repo / one.inside)
    assert whole is not None, here
    assert opened(one.loader, place) == whole


def opened(loader: Loader, folder: Path) -> dict[str, bytes] | None:
    """What a loader opens, with its bytes; None where it ends without."""
    try:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in loader(folder)}
    except FileNotFoundError:
        return None


def test_what_no_rule_tells_is_not_fetched(site: Site, hub: Hub, tmp_path: Path) -> None:
    paths = "config.json diffusion_pytorch_model.safetensors diffusion_pytorch_model.bin"
    one = published("lantern-lab/lantern-net", "any", loaders.component, paths)
    assert outcome(one, site, hub, tmp_path) == "uncertain"


@pytest.mark.soak
def test_what_is_fetched_is_what_the_loaders_open(site: Site, hub: Hub, tmp_path: Path) -> None:
    done = fetched(SAMPLE, site, hub, tmp_path)
    assert done.code == 0, done.out
    for one in SAMPLE:
        require_same(one, site, tmp_path)


# Listings of real repositories.


def real() -> list[Published]:
    """Each listing for each node that could be meant to load it."""
    files = sorted(LISTINGS.glob("*.json")) if os.environ.get("COMFYFIX_LISTINGS") else []
    return [one for file in files for one in _real(json.loads(file.read_bytes()))]


def _real(told: dict[str, Any]) -> Iterator[Published]:
    repo = str(told["repo"])
    paths = [str(file["rfilename"]) for file in told["siblings"]]
    empty = {file["rfilename"] for file in told["siblings"] if file["size"] == 0}
    files = {p: b"" if p in empty else made(repo, p, told["texts"]) for p in paths}
    if "model_index.json" in files:
        yield Published(repo, "diffusers", files, loaders.checkpoint)
        yield Published(repo, "delight", files, loaders.pipeline("fp16"))
    elif any(path.startswith("diffusion_pytorch_model") for path in files):
        yield Published(repo, "any", files, loaders.component)
    else:
        yield Published(repo, "florence", files, loaders.transformers)


@pytest.mark.proof
@pytest.mark.parametrize("one", real(), ids=lambda one: f"{one.repo}:{one.kind}")
def test_a_real_repository_is_fetched_as_its_loader_reads_it_or_not_at_all(
    one: Published,
    site: Site,
    hub: Hub,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    told = outcome(one, site, hub, tmp_path)
    record_property("outcome", told)
    loadable = opened(one.loader, tmp_path / "snapshot" / one.repo) is not None
    assert (told == "same") == (loadable and one.kind != "any")
