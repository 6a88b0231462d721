"""How people name repositories and files: rules that make thousands, and confusable ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

from comfyfix.comfyui.store.keys import folder_key

if TYPE_CHECKING:
    from tests.bench.resolve.world import World

FAMILIES = {
    "wan": ("wan", "umt5", "lightx2v"),
    "flux": ("flux", "ae_", "t5xxl", "clip_l"),
    "qwen": ("qwen",),
    "ltx": ("ltx",),
    "hunyuan": ("hunyuan", "llava"),
    "sdxl": ("sdxl", "sd_xl", "xl"),
    "sd3": ("sd3",),
    "sd15": ("sd15", "v1_5", "control_v11", "mm_sd"),
    "pony": ("pony",),
    "illustrious": ("illustrious", "noob"),
    "upscalers": ("4x", "8x", "2x", "1x", "realesrgan"),
    "ip-adapter": ("ip_adapter", "ipadapter"),
}
_FAMILY_WORDS = {  # in file names → in repository names
    "flux": ("FLUX.1-dev", "FLUX", "flux-lora", "Flux1"),
    "flux1-dev": ("FLUX.1-dev", "FLUX.1-dev-gguf", "Flux-dev"),
    "sdxl": ("SDXL", "stable-diffusion-xl", "sdxl-lora", "XL"),
    "sd15": ("SD1.5", "stable-diffusion-v1-5", "sd15"),
    "wan2.1": ("Wan2.1", "WanVideo", "Wan2.1-14B"),
    "wan2.2": ("Wan2.2", "Wan2.2-A14B", "Wan_2.2_lora"),
    "hunyuan_video": ("HunyuanVideo", "hunyuan-video-lora"),
    "qwen_image": ("Qwen-Image", "Qwen-Image-Edit", "qwen-image-lora"),
    "ltxv": ("LTX-Video", "LTXV", "LTX-2"),
    "pony": ("Pony-Diffusion-V6", "PonyXL", "pony-lora"),
    "illustrious": ("Illustrious-XL", "illustrious"),
    "noobai": ("NoobAI-XL", "noobai"),
    "chroma": ("Chroma", "chroma-lora"),
    "z_image": ("Z-Image-Turbo", "z-image"),
    "sd3.5": ("stable-diffusion-3.5", "SD3.5"),
    "mochi": ("mochi-1", "Mochi"),
    "cogvideox": ("CogVideoX", "CogVideoX-5b"),
}
_WORDS = json.loads(Path(__file__).with_name("words.json").read_bytes())
ADJECTIVES: list[str] = _WORDS["first"]
NOUNS: list[str] = _WORDS["second"]
_SYLLABLES = _WORDS["syllables"]
_KINDS = {"loras": 52, "checkpoints": 20, "diffusion_models": 14, "controlnet": 6, "vae": 2}
_KINDS |= {"upscale_models": 4, "embeddings": 2}
_COLLECTIONS = ("models", "comfyui-models", "stuff", "loras", "my-ai-files", "backup", "sd-models")
_BRANDS = ("nova", "workshop", "release", "dump", "project-{0}", "lab", "archive-{0}")
_QUANTS = ("fp16", "fp8_e4m3fn", "bf16", "fp8_scaled", "Q4_K_M", "Q8_0", "pruned", "")
_DIRECTORIES = {
    "text_encoder": "text_encoders",
    "image_encoder": "clip_vision",
    "unet": "diffusion_models",
    "transformer": "diffusion_models",
    "ESRGAN": "upscale_models",
}
_FOLDERS = frozenset(
    {
        *("checkpoints", "loras", "vae", "text_encoders", "diffusion_models", "controlnet"),
        *("clip_vision", "embeddings", "upscale_models", "style_models", "model_patches"),
        "audio_encoders",
    }
)


def folder_of(path: str) -> str | None:
    """The folder that a path inside a repository speaks of."""
    for part in reversed(path.split("/")[:-1]):
        key = folder_key(_DIRECTORIES.get(part, part))
        if key in _FOLDERS:
            return key
    return "upscale_models" if path.startswith(("4x", "8x")) else None


def publish(world: World, count: int) -> None:
    """Publish files as people do: most repositories speak of their file, some do not."""
    rng = world.random
    authors = [_author(rng) for _ in range(max(10, count // 6))]
    while count > 0:
        author = rng.choice(authors)
        family = rng.choice(list(_FAMILY_WORDS))
        kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        words = [rng.choice(ADJECTIVES), rng.choice(NOUNS)]
        repo = f"{author}/{_repository(rng, family, words)}"
        for name in _names(rng, family, words, kind):
            path = f"{kind}/{name}" if rng.random() < 0.12 else name
            world.put(repo, path, f"{author}/{name}")
            world.wish(name, kind, "generated", family)
            count -= 1
            if rng.random() < 0.2:
                _mirror(world, authors, family, words, name, f"{author}/{name}")


def _mirror(
    world: World, authors: list[str], family: str, words: list[str], name: str, seed: str
) -> None:
    rng = world.random
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        repo = f"{rng.choice(authors)}/{_repository(rng, family, words)}"
        world.put(repo, name, seed, downloads=rng.randint(0, 60))


def _author(rng: random.Random) -> str:
    name = "".join(rng.sample(_SYLLABLES, rng.randint(2, 3)))
    return rng.choice([name, name.title(), f"{name}{rng.randint(1, 99)}", f"{name}-ai"])


def _repository(rng: random.Random, family: str, words: list[str]) -> str:
    said = rng.choice(_FAMILY_WORDS[family])
    draw = rng.random()
    if draw < 0.45:
        joined = rng.choice(["-", "_"]).join(words)
        return rng.choice([joined, f"{joined}-{said}", f"{said}-{joined}", joined.title()])
    if draw < 0.62:
        return f"{said}-{words[0]}" if rng.random() < 0.5 else f"{words[1]}_{said}"
    if draw < 0.85:
        return rng.choice([said, f"{said}-loras", f"{said}-models", f"my-{said}"])
    if draw < 0.95:
        return rng.choice(_COLLECTIONS)
    return rng.choice(_BRANDS).format(rng.randint(1, 99))


def _names(rng: random.Random, family: str, words: list[str], kind: str) -> list[str]:
    ending = ".pth" if kind == "upscale_models" else ".safetensors"
    joint = rng.choice(["_", "-", "", " "] if rng.random() < 0.1 else ["_", "-", "_"])
    core = joint.join(words if joint else [word.title() for word in words])
    if kind == "upscale_models":
        stems = [f"{rng.choice('248')}x-{words[0].title()}{words[1].title()}"]
    elif rng.random() < 0.12:
        stems = [core]
    else:
        stems = [rng.choice([f"{core}_{family}", f"{family}_{core}", f"{core}-{family}-v1"])]
    if rng.random() < 0.15:
        stems = [words[0] if rng.random() < 0.3 else f"{words[1]}{rng.randint(1, 30)}"]
    if rng.random() < 0.35:
        stems += [f"{stems[0]}_{q}" for q in rng.sample(_QUANTS, 2) if q]
    if rng.random() < 0.15:
        stems.append(f"{stems[0]}-v2")
    return [
        stem + (".gguf" if stem.endswith(("Q4_K_M", "Q8_0")) else ending)
        for stem in dict.fromkeys(stems)
    ]


def confuse(world: World) -> None:
    """Add what leads astray: namesakes with other bytes, twins in case, separators and version."""
    rng = world.random
    for name, wish in list(world.wishes.items()):
        draw = rng.random()
        repo = world.places.get(name, ["nobody/nothing"])[0]
        seed = f"another {name}"
        if draw < 0.10:
            world.put(_namesake(rng, repo, name), name, seed, downloads=rng.randint(0, 3000))
        elif draw < 0.16:
            other = rng.choice([name.swapcase(), name.lower(), name.title(), name.upper()])
            world.put(_namesake(rng, repo, name), other, seed)
        elif draw < 0.22:
            other = name.translate(str.maketrans("-_", "_-"))
            world.put(_namesake(rng, repo, name), other, seed)
        elif draw < 0.40:
            stem, _, ending = name.rpartition(".")
            for extra in rng.sample(["-v2", "_fp8", "_inpainting", "_pruned", "_refiner"], 2):
                world.put(_namesake(rng, repo, name), f"{stem}{extra}.{ending}", seed + extra)
        elif draw < 0.46 and wish.folder:
            world.wish(f"absent_{name}", wish.folder, "absent", "absent")


def _namesake(rng: random.Random, repo: str, name: str) -> str:
    """Where the other file lies: mostly a repository that speaks of it, sometimes anywhere."""
    author, draw = _author(rng), rng.random()
    if draw < 0.4:
        return f"{author}/{repo.partition('/')[2]}"
    if draw < 0.75:
        stem = name.rpartition(".")[0].replace(" ", "-").strip("-._")
        return f"{author}/{stem[:80] or 'files'}"
    return f"{author}/{rng.choice(_COLLECTIONS)}"
