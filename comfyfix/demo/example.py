"""The demo's example: a small ComfyUI with workflows, and the hub that has what they lack."""

from __future__ import annotations

import json
import tempfile
from importlib import resources
from pathlib import Path

import msgspec

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.files import write_atomic
from comfyfix.manifest import Manifest, Qwen

_WORKFLOWS = "user/default/workflows"
# Models that the example has already; one lies in a folder where its workflow does not look.
PRESENT = (
    "models/vae/river_vae.safetensors",
    "models/checkpoints/river_flow_fp8.safetensors",
)
REPOSITORIES = {
    "demo-studio/harbor-light-xl": [
        "harbor_light_xl.safetensors",
        "vae/harbor_light_vae.safetensors",
    ],
    "demo-loras/window-light": ["soft_window_light.safetensors"],
    "demo-studio/river-flow": [
        "diffusion_models/river_flow_fp8.safetensors",
        "text_encoders/river_text_encoder_fp8.safetensors",
        "README.md",
    ],
    "quant-mirror/river-flow-GGUF": ["river-flow-Q4_K_M.gguf"],
    "AlexWortega/RIFE": ["rife49.pth"],
    "upscale-club/demo-sharp": ["4x_demo_sharp.pth"],
    "vision-lab/clip-vision-demo": ["clip_vision_demo_h.safetensors"],
    "night-owl/alley-collection": ["loras/moonlit_alley_style.safetensors"],
}
# Only Qwen knows this one: no word of its name is in the repository's.
QWEN_KNOWS = {
    "moonlit_alley_style.safetensors": {
        "candidates": [
            {
                "source": "huggingface",
                "repo": "night-owl/alley-collection",
                "path": "loras/moonlit_alley_style.safetensors",
            }
        ],
        "reason": "the author's collection of alley styles",
    }
}


def comfyui(manifest: Manifest) -> Path:
    """Where the example's ComfyUI lies."""
    return Path(manifest.output) / "demo" / "ComfyUI"


def prepare(manifest: Manifest) -> Manifest:
    """Lay the example out below output/demo; once it is there, its files are left alone."""
    home = comfyui(manifest)
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=home.parent))
        for name in PRESENT:
            write_atomic(fresh / name, file_for(name.rpartition("/")[2]))
        for entry in resources.files(__package__).joinpath("workflows").iterdir():
            if entry.name.endswith(".json"):
                write_atomic(fresh / _WORKFLOWS / entry.name, entry.read_bytes())
        fresh.chmod(0o755)
        fresh.rename(home)  # whole or not at all
    workflows = home / _WORKFLOWS
    return msgspec.structs.replace(manifest, workflows=(str(workflows),), store=None)


def start_hub(manifest: Manifest) -> Manifest:
    """Start the hub and return the manifest with the addresses of this run."""
    hub = Hub()
    for repo, paths in REPOSITORIES.items():
        hub.add(repo, paths)
    hub.answers = {name: json.dumps(answer) for name, answer in QWEN_KNOWS.items()}
    hub.start()
    return msgspec.structs.replace(
        manifest,
        endpoints=msgspec.structs.replace(manifest.endpoints, huggingface=hub.url),
        qwen=Qwen(base_url=f"{hub.url}/v1", model="qwen-demo"),
    )
