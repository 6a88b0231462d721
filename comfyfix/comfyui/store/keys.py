"""ComfyUI's folder keys: which there are, the directories and endings of each, and old names.

Follows ComfyUI's folder_paths.py, and its table of extensions.
"""

from __future__ import annotations

import os
import re

from comfyfix.endings import LISTED

_OLD = {"unet": "diffusion_models", "clip": "text_encoders"}
ALIASES = {
    **_OLD,
    # ComfyUI-GGUF registers these over the very same directories, for .gguf alone.
    "unet_gguf": "diffusion_models",
    "clip_gguf": "text_encoders",
}

CORE = (
    "audio_encoders",
    "background_removal",
    "checkpoints",
    "clip_vision",
    "configs",
    "detection",
    "diffusers",
    "embeddings",
    "frame_interpolation",
    "geometry_estimation",
    "gligen",
    "hypernetworks",
    "latent_upscale_models",
    "loras",
    "model_patches",
    "optical_flow",
    "photomaker",
    "style_models",
    "upscale_models",
    "vae",
    "vae_approx",
    "classifiers",
)
MORE_OF_CORE = ("text_encoders", "diffusion_models", "controlnet")  # with several directories
# Keys of the core beside models/: extra_model_paths.yaml may name them, but they hold no models.
BESIDE = ("custom_nodes", "datasets", "fonts")
# Where the core's own save nodes write, and look again: the last directories of these keys.
OUTPUT = ("checkpoints", "clip", "vae", "diffusion_models", "loras")
# Folder keys with more than one directory, in search order, or with a directory of another name.
DIRECTORIES = {
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("unet", "diffusion_models"),
    "controlnet": ("controlnet", "t2i_adapter"),
    "ultralytics_bbox": ("ultralytics/bbox",),
    "ultralytics_segm": ("ultralytics/segm",),
    "cogvideox_loras": ("CogVideo/loras",),
    "xlabs_controlnets": ("xlabs/controlnets",),
    "xlabs_loras": ("xlabs/loras",),
    "xlabs_ipadapters": ("xlabs/ipadapters",),
}
# What a folder is written to when its first directory is the old name.
_WRITTEN = {"diffusion_models": "diffusion_models"}
# What the files of a key may end in, in lower case; a key that is not here takes any file. The
# core lists no file of diffusers at all, only folders; a file there is for a pack's own reading.
ENDINGS = {
    **dict.fromkeys((*CORE, *MORE_OF_CORE), LISTED),
    "configs": frozenset({".yaml"}),
    "classifiers": frozenset({""}),
    "fonts": frozenset({".ttf", ".otf"}),
}

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}")


def folder_key(name: str) -> str:
    """Map ComfyUI's old folder names to the ones of today."""
    return ALIASES.get(name, name)


def is_folder_key(name: str) -> bool:
    """Tell whether a folder name from outside can be one: it can't leave models/ or be hidden."""
    return bool(_KEY.fullmatch(name))


def core_directories() -> dict[str, tuple[str, ...]]:
    """The core's own keys, and the names of their directories in models/; new files go first."""
    return {
        key: tuple(dict.fromkeys((written_name(key), *DIRECTORIES.get(key, (key,)))))
        for key in (*CORE, *MORE_OF_CORE)
    }


def own_endings(name: str) -> frozenset[str] | None:
    """The endings of a key of the core that does not take what its other keys take."""
    endings = ENDINGS.get(name)
    return None if endings is LISTED else endings


def is_core(name: str) -> bool:
    """Tell a key of the core, under its old name too."""
    return _OLD.get(name, name) in (*CORE, *MORE_OF_CORE, *BESIDE)


def is_core_models(name: str) -> bool:
    """Tell a key of the core that holds models."""
    return is_core(name) and name not in BESIDE


def accepts(key: str, path: str) -> bool:
    """Tell whether ComfyUI would list a file of this name for a key: by ending, and not in .git."""
    endings = ENDINGS.get(folder_key(key))
    return (endings is None or ending(path) in endings) and not in_git(path)


def ending(path: str) -> str:
    """The ending of a name, in lower case; of `.pt` alone there is none."""
    return os.path.splitext(path)[1].lower()  # hot: Path costs twice this


def in_git(path: str) -> bool:
    """Tell what lies in a repository's own folder, which ComfyUI passes over."""
    return "/.git/" in f"/{path}"


def written_name(key: str) -> str:
    """The directory in models/ that new files of a key go to."""
    return _WRITTEN.get(key) or DIRECTORIES.get(key, (key,))[0]
