"""The last guess at a folder, from names alone: made only where a name says one thing."""

from __future__ import annotations

import re

# What packs of all kinds call the inputs of their loaders, after ComfyUI's own.
_BY_INPUT = {
    "lora_name": "loras",
    "vae_name": "vae",
    "unet_name": "diffusion_models",
    "control_net_name": "controlnet",
    "controlnet_name": "controlnet",
    "clip_vision_name": "clip_vision",
    "style_model_name": "style_models",
    "upscale_model_name": "upscale_models",
    "hypernetwork_name": "hypernetworks",
    "gligen_name": "gligen",
}
# Words between separators; the first that fits decides, so the special stand before the general.
_WORD = r"(?:^|[/_. -])(?:{})(?:$|[/_. -])"
_BY_NAME = tuple(
    (re.compile(_WORD.format(words), re.IGNORECASE), folder)
    for words, folder in (
        (r"clip[_-]?vision|sigclip_vision\w*", "clip_vision"),
        (r"ip[_-]?adapter\w*", "ipadapter"),
        (r"loras?|lycoris|locon", "loras"),
        (r"control[_-]?net\w*|t2i[_-]?adapter\w*", "controlnet"),
        (r"t5xxl\w*|umt5\w*|clip_[lg]|text[_-]?encoders?", "text_encoders"),
        (r"vae", "vae"),
        (r"real[_-]?esrgan\w*|esrgan|\dx[_-]\w+|ultrasharp", "upscale_models"),
    )
)
_EITHER = (".gguf", ".onnx", ".engine")
"""Formats of node packs, whose folders their packs choose."""


def folder(input_name: str, path: str) -> str | None:
    """Guess the folder of a file that no loader, no server and no workflow places."""
    if path.lower().endswith(_EITHER):
        return None
    by_input = _BY_INPUT.get(re.sub(r"_\d+$", "", input_name.lower()))
    if by_input:
        return by_input
    found = {folder for pattern, folder in _BY_NAME if pattern.search(path)}
    return found.pop() if len(found) == 1 else None
