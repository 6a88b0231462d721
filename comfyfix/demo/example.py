"""The demo's example: a small ComfyUI with workflows, and the hub that has what they lack."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from comfyfix.demo.hub import Fault, Hub
from comfyfix.disk.files import write_atomic
from comfyfix.settings.manifest import Manifest, Qwen

SWITCH = "COMFYFIX_DEMO"
"""`trouble` in this variable makes two models unknown and one download come out wrong."""
_WORKFLOWS = "user/default/workflows"
_PACKED = Path(__file__).with_name("ComfyUI")
REPOSITORIES = {
    "demo-studio/harbor-light-xl": [
        "harbor_light_xl.safetensors",
        "vae/harbor_light_vae.safetensors",
    ],
    "demo-loras/window-light": ["soft_window_light.safetensors"],
    "demo-studio/pose-guide": ["pose_guide_xl.safetensors"],
    "demo-studio/river-flow": [
        "README.md",
        "audio_encoders/river_audio_encoder.safetensors",
        "diffusion_models/river_flow_fp8.safetensors",
        "latent_upscale_models/river_latent_upscaler.safetensors",
        "text_encoders/river_text_encoder_fp8.safetensors",
    ],
    "quant-mirror/river-flow-GGUF": ["river-flow-Q4_K_M.gguf"],
    "AlexWortega/RIFE": ["rife49.pth"],
    "upscale-club/weights": ["4x_demo_sharp/net_g.pth"],
    "vision-lab/clip-vision-demo": ["clip_vision_demo_h.safetensors"],
    "vision-lab/detectors": ["face_spotter.onnx"],
    "night-owl/odds-and-ends": ["loras/moonlit_alley_style.safetensors"],
    "paper-works/lantern-style-adapter": ["lantern_style_adapter.safetensors"],
    "paper-works/paper-lantern-vae": ["paper_lantern_vae.pt"],
    "paper-works/text-parts": ["lantern_clip_g.safetensors"],
}
CIVITAI = (  # model, file, type
    ("Quiet Hands", "quiet_hands.pt", "TextualInversion"),
    ("Slow Tide Motion", "slow_tide_motion.safetensors", "LORA"),
    ("Ink Wash Poster", "ink_wash_poster.safetensors", "LORA"),
    ("Paper Lantern", "paper_lantern_v3.safetensors", "Checkpoint"),
)
_HUB = "https://huggingface.co"
# OpenModelDB knows the upscaler, whose file has another name at its publisher.
UPSCALERS = {"4x_demo_sharp": f"{_HUB}/upscale-club/weights/resolve/main/4x_demo_sharp/net_g.pth"}
# Only Qwen knows this one: no word of its name is in the repository's.
QWEN_KNOWS = {
    "moonlit_alley_style.safetensors": {
        "candidates": [
            {
                "source": "huggingface",
                "repo": "night-owl/odds-and-ends",
                "path": "loras/moonlit_alley_style.safetensors",
            }
        ],
        "reason": "the author's collection of alley styles",
    }
}


def seen(manifest: Manifest) -> tuple[Path, Manifest]:
    """Where the example's ComfyUI is seen, our own until it is laid out, and its manifest."""
    laid = laid_out(manifest)
    home = laid if _is_whole(laid) else _PACKED
    return home, msgspec.structs.replace(manifest, workflows=(str(home / _WORKFLOWS),), store=None)


def laid_out(manifest: Manifest) -> Path:
    """Where the example's ComfyUI lies once a run has begun."""
    return Path(manifest.output) / "ComfyUI"


def _is_whole(home: Path) -> bool:
    """Tell whether no folder of the example has been deleted."""
    return all((home / folder).is_dir() for folder in ("models", "custom_nodes", _WORKFLOWS))


def lay_out(manifest: Manifest) -> bool:
    """Copy the example into the demo's output; tell whether it lacked some of it. Raises OSError.

    What is there already stays as it is.
    """
    home = laid_out(manifest)
    if _is_whole(home):
        return False
    if home.is_dir():
        _copy_to(home)
        return True
    home.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=home.parent))
    _copy_to(fresh)
    fresh.chmod(0o755)
    try:
        fresh.rename(home)  # whole or not at all
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not home.is_dir():
            raise  # or else another run was faster
    return True


def _copy_to(home: Path) -> None:
    """Copy what is not there yet: the bytes alone, of a package even folders may be read only."""
    for path in sorted(_PACKED.rglob("*")):
        place = home / path.relative_to(_PACKED)
        if path.is_file() and not place.exists():
            write_atomic(place, path.read_bytes())


def start_hub(manifest: Manifest, environ: Mapping[str, str]) -> Manifest:
    """Start the hub and return the manifest with the addresses of this run."""
    hub = Hub()
    for repo, paths in REPOSITORIES.items():
        hub.add(repo, paths)
    for model, file, kind in CIVITAI:
        version = hub.add_civitai(model, file, type=kind)
        version.named = file
    for key, url in UPSCALERS.items():
        repo, _, path = url.removeprefix(f"{_HUB}/").partition("/resolve/main/")
        hub.add_upscaler(key, [url], hub.repositories[repo].files[path])
    hub.answers = {name: json.dumps(answer) for name, answer in QWEN_KNOWS.items()}
    if environ.get(SWITCH) == "trouble":
        del hub.repositories["quant-mirror/river-flow-GGUF"]
        hub.answers.clear()
        hub.faults.append(Fault("file */pose_guide_xl.safetensors", "flip"))
    hub.start()
    return msgspec.structs.replace(
        manifest,
        endpoints=msgspec.structs.replace(
            manifest.endpoints, huggingface=hub.url, civitai=hub.url, openmodeldb=hub.url
        ),
        qwen=Qwen(base_url=f"{hub.url}/v1", model="qwen-demo"),
    )
