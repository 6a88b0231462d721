"""The last guess at a folder, from names alone: made only where a name says one thing."""

from __future__ import annotations

import re

from comfyfix import endings

# What packs of all kinds call the inputs of their loaders, after ComfyUI's own; numbers left out.
_BY_INPUT = {
    "lora_name": "loras",
    "lora": "loras",
    "vae_name": "vae",
    "unet_name": "diffusion_models",
    "control_net_name": "controlnet",
    "controlnet_name": "controlnet",
    "controlnet": "controlnet",
    "clip_vision_name": "clip_vision",
    "style_model_name": "style_models",
    "upscale_model_name": "upscale_models",
    "upscale_model": "upscale_models",
    "hypernetwork_name": "hypernetworks",
    "gligen_name": "gligen",
    "text_encoder": "text_encoders",
    "ipadapter_file": "ipadapter",
    "pulid_file": "pulid",
    "instantid_file": "instantid",
}
# What packs call the node classes. Written as class names are, so that a word inside a longer one
# ("exploration") is none.
_BY_TYPE = tuple(
    (re.compile(words), folder)
    for words, folder in (
        (r"L[Oo][Rr][Aa]|(?:^|[ _])lora", "loras"),
        (r"C(?:heckpoint|kpt|KPT)[ _]?(?:Load|Select|Name|$)|(?:Load|Select)[ _]?C(?:heck|KPT)",
         "checkpoints"),
        (r"[Cc]ontrol[ _-]?[Nn]et[A-Za-z+ _]*(?:Load|Stack)|Load[ _]?ControlNet", "controlnet"),
        (r"V(?:AE|ae)[ _]?Loader|Load[ _]?VAE", "vae"),
        (r"(?:U(?:NET|Net|net)|Diffusion[ _]?Model)[ _]?Load|Load[ _]?(?:UNET|Diffusion)",
         "diffusion_models"),
        (r"C(?:LIP|lip)[ _]?Vision", "clip_vision"),
        (r"CLIP[ _]?Load|Load[ _]?CLIP(?![ _]?Vision)|Text[ _]?Encoder[A-Za-z ]*Load"
         r"|Load[A-Za-z0-9 ]*Text[ _]?Encoder", "text_encoders"),
        (r"Upscale[ _]?(?:With)?Model", "upscale_models"),
        (r"IP-?Adapter[ _]?Model", "ipadapter"),
    )
)  # fmt: skip
# Words between separators.
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
_PACKS = tuple(endings.PACKS)


def folder(node_type: str, input_name: str, path: str) -> str | None:
    """Guess the folder of a file that no loader, no server and no workflow places."""
    if path.lower().endswith(_PACKS):
        return None  # their packs choose the folders
    plain = re.sub(r"_?\d+", "", input_name.lower())
    by_input = _BY_INPUT.get(plain)
    if by_input:
        return by_input
    if plain == "ckpt_name" and path.lower().endswith(endings.CHECKPOINTS):
        return "checkpoints"
    by_type = {folder for pattern, folder in _BY_TYPE if pattern.search(node_type)}
    by_name = {folder for pattern, folder in _BY_NAME if pattern.search(path)}
    # A name of two words (a LoRA of a ControlNet) says nothing; the class then decides alone.
    folders = by_type | by_name if len(by_name) == 1 else by_type
    return folders.pop() if len(folders) == 1 else None
