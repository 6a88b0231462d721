"""Workflows inside pictures: ComfyUI writes the graph into what it saves.

PNG carries it as text (`workflow`, `prompt`), WebP, JPEG and AVIF in EXIF fields with the same
words in front. Pillow reads them, with bounds on what a compressed text may grow to.
"""

from __future__ import annotations

import io
import warnings

from comfyfix.comfyui.graph import NotAWorkflow

KEYS = ("workflow", "prompt")  # the UI graph first: it also tells what is switched off
_EXIF_FIELDS = (0x010F, 0x0110, 0x010E, 0x9286)  # make, model, description, comment
_STARTS = (b"\x89PNG\r\n\x1a\n", b"RIFF", b"\xff\xd8\xff")


def is_picture(data: bytes) -> bool:
    """Tell a picture by its first bytes."""
    return data.startswith(_STARTS) or data[4:12] in (b"ftypavif", b"ftypavis")


def workflow_in(data: bytes) -> bytes:
    """Return the JSON of the workflow inside a picture. Raises NotAWorkflow."""
    from PIL import Image  # noqa: PLC0415 - 20 ms that only a picture costs

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes: no pixel is decoded here
            with Image.open(io.BytesIO(data)) as picture:
                texts = {k: v for k, v in picture.info.items() if isinstance(v, str)}
                # Of a PNG without EXIF, Pillow would decode every pixel to look for it.
                look = picture.format != "PNG" or "exif" in picture.info
                for field in _EXIF_FIELDS if look and not texts else ():
                    key, found, text = _text(picture.getexif().get(field)).partition(":")
                    if found and key.strip().lower() in KEYS:
                        texts.setdefault(key.strip().lower(), text)
    except Exception as error:  # noqa: BLE001 - a broken picture raises nearly anything
        raise NotAWorkflow(f"a picture that can't be read ({type(error).__name__})") from None
    for key in KEYS:
        if texts.get(key):
            return texts[key].encode("utf-8", "backslashreplace")
    raise NotAWorkflow("it holds no workflow")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
