"""Which of ComfyUI's folders a file of Civitai belongs in, by its type and its model's type."""

from __future__ import annotations

from comfyfix.records import Reason, because
from comfyfix.why import Why

# Types of models → folder keys, the usual one first. A type that is not here has no folder.
_HOMES: dict[str, tuple[str, ...]] = {
    "Checkpoint": ("checkpoints", "diffusion_models", "unet_gguf"),
    "UNet": ("diffusion_models", "unet_gguf"),
    "LORA": ("loras", "animatediff_motion_lora", "xlabs_loras", "cogvideox_loras"),
    "LoCon": ("loras",),
    "DoRA": ("loras",),
    "TextualInversion": ("embeddings",),
    "VAE": ("vae", "vae_approx"),
    "Controlnet": ("controlnet", "xlabs_controlnets", "model_patches"),
    "Upscaler": ("upscale_models", "latent_upscale_models"),
    "Hypernetwork": ("hypernetworks",),
    "MotionModule": ("animatediff_models", "animatediff_motion_lora"),
    "TextEncoder": ("text_encoders", "clip_gguf"),
    "CLIP": ("text_encoders", "clip_gguf"),
    "CLIPVision": ("clip_vision",),
    "VisionLanguage": ("text_encoders", "LLM"),
    "LLM": ("LLM", "text_encoders"),
    "Detection": ("ultralytics", "ultralytics_bbox", "ultralytics_segm", "yolo", "detection"),
}
# Types of files that tell more than their model's type.
_PARTS: dict[str, tuple[str, ...]] = {
    "VAE": _HOMES["VAE"],
    "Text Encoder": _HOMES["TextEncoder"],
    "Vision Encoder": _HOMES["CLIPVision"],
    "CLIPVision": _HOMES["CLIPVision"],
    "UNet": _HOMES["UNet"],
    "Diffusion Model": _HOMES["UNet"],
    "ControlNet": _HOMES["Controlnet"],
    "Upscaler": _HOMES["Upscaler"],
    "Enhancement LoRA": _HOMES["LORA"],
    "Negative": _HOMES["TextualInversion"],
    "Config": ("configs",),
    "Training Data": (),
    "Archive": (),
    "Workflow": (),
}
_WHOLE = ("VAE", "Text Encoder", "Vision Encoder", "UNet")  # parts that checkpoints come with
_NO_MODELS = frozenset({"Workflows", "ComfyWorkflows", "Wildcards", "Poses"})


def types_for(folder: str | None) -> tuple[str, ...]:
    """The types of models to search among; none stands for all, where no folder is known."""
    if folder is None:
        return ()
    types = [kind for kind, homes in _HOMES.items() if folder in homes]
    if "Checkpoint" not in types and any(folder in _PARTS[part] for part in _WHOLE):
        types.append("Checkpoint")
    return tuple(types) or ("Other",)


def misplaced(model_type: str, file_type: str, folder: str | None) -> Reason | None:
    """Why a file does not belong in a folder; None if it may."""
    part = _PARTS.get(file_type)
    if part == () or (part is None and model_type in _NO_MODELS):
        return because(Why.CIVITAI_NO_MODEL, file_type=file_type, model_type=model_type)
    homes = part or _HOMES.get(model_type, ())
    if folder is None or folder in homes:
        return None
    if homes:
        called = model_type if file_type in ("", "Model", "Pruned Model") else file_type
        return because(Why.CIVITAI_ELSEWHERE, kind=called, home=homes[0], folder=folder)
    has_kinds = any(folder in others for others in _HOMES.values())
    return because(Why.CIVITAI_NOT_HERE, kind=model_type, folder=folder) if has_kinds else None
