"""AIR: the names that Civitai's own generator writes, `urn:air:sdxl:lora:civitai:122359@135867`.

Such a name is no file's, but it says the very version of a model at Civitai.
"""

from __future__ import annotations

import re

from comfyfix.records import Hint

_AIR = re.compile(
    r"\s*(?:urn:)?air:[\w.-]{1,40}:([\w.-]{1,40}):civitai:([0-9]{1,12})@([0-9]{1,12})"
    r"(?:[:.][\w.-]{0,40})?\s*",
    re.IGNORECASE,
)
_FOLDERS = {
    "checkpoint": "checkpoints",
    "lora": "loras",
    "lycoris": "loras",
    "dora": "loras",
    "embedding": "embeddings",
    "controlnet": "controlnet",
    "vae": "vae",
    "upscaler": "upscale_models",
    "hypernetwork": "hypernetworks",
}


def is_air(value: str) -> bool:
    """Tell whether a value names a model version of Civitai in place of a file."""
    return _AIR.fullmatch(value) is not None


def folder(value: str) -> str | None:
    """The folder of what is named, by the type that the name tells."""
    air = _AIR.fullmatch(value)
    return _FOLDERS.get(air.group(1).lower()) if air else None


def file_name(value: str) -> str:
    """The name under which its file is kept: the same for every workflow that names it."""
    air = _AIR.fullmatch(value)
    return f"civitai-{air.group(2)}-{air.group(3)}.safetensors" if air else value


def hint(value: str) -> Hint | None:
    """Where it is: the page of this very version."""
    air = _AIR.fullmatch(value)
    if air is None:
        return None
    url = f"https://civitai.com/models/{air.group(2)}?modelVersionId={air.group(3)}"
    return Hint(name=file_name(value), url=url)
