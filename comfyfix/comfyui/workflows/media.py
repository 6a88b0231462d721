"""Workflows inside pictures, videos and sounds: ComfyUI writes the graph into what it saves.

Told by the first bytes, never by the name. PNG carries it as text (`workflow`, `prompt`), WebP,
JPEG and AVIF in EXIF fields with the same words in front, videos and sounds in their tags; some
packs put both into one JSON comment.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any, BinaryIO

import msgspec

from comfyfix.comfyui.workflows import matroska, mp4
from comfyfix.comfyui.workflows.graph import NotAWorkflow
from comfyfix.why import Why

KEYS = ("workflow", "prompt")  # the UI graph first: it also tells what is switched off
HEAD = 64  # bytes that tell the form
_EXIF_FIELDS = (0x010F, 0x0110, 0x010E, 0x9286)  # make, model, description, comment
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_SOUNDS = (b"fLaC", b"OggS", b"ID3")
_UNREADABLE = {"picture": Why.PICTURE_UNREADABLE, "sound": Why.SOUND_UNREADABLE}
_COMMENT_MAX = 32 << 20  # characters
_FRAMES_MAX = 100_000  # parts of a WebP; a moving one has one for each picture
_CHUNKS_MAX = 1000  # of a PNG, before its pixels; ComfyUI writes three or four


def form_of(head: bytes) -> str | None:
    """`picture`, `mp4`, `matroska` or `sound`; None for anything else."""
    if head.startswith((_PNG, _JPEG)) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return "picture"
    if head[4:8] == b"ftyp":
        return "picture" if head[8:12] in (b"avif", b"avis") else "mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(_SOUNDS) or (head[:1] == b"\xff" and head[1:2] in b"\xfb\xf3\xf2\xfa"):
        return "sound"
    return None


def workflows_in(form: str, stream: BinaryIO) -> list[bytes]:
    """The JSON of the workflows inside a file of this form, the best first. Raises NotAWorkflow."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    try:
        match form:
            case "picture":
                texts = _of_picture(stream)
            case "mp4":
                texts = mp4.texts(stream, size)
            case "matroska":
                texts = matroska.texts(stream, size)
            case _:
                texts = _of_sound(stream)
    except OSError as error:
        if error.errno is not None:  # the disk's word; without a number it is the file's form
            raise
        raise NotAWorkflow(_UNREADABLE.get(form, Why.VIDEO_UNREADABLE)) from None
    except NotAWorkflow:
        raise
    except Exception:  # noqa: BLE001 - a broken file raises nearly anything
        raise NotAWorkflow(_UNREADABLE.get(form, Why.VIDEO_UNREADABLE)) from None
    by_key = {**_of_comment(texts.get("comment", "")), **texts}
    workflows = [by_key[key].encode("utf-8", "backslashreplace") for key in KEYS if by_key.get(key)]
    if not workflows:
        raise NotAWorkflow(Why.NO_WORKFLOW)
    return workflows


def _of_picture(stream: BinaryIO) -> dict[str, str]:
    from PIL import Image, JpegImagePlugin, PngImagePlugin  # 20 ms that only a picture costs

    _require_few_chunks(stream)
    head = stream.read(HEAD)
    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # `Image.open` would refuse real upscales for their many pixels, of which none is decoded.
        if head.startswith(b"RIFF"):
            info: dict[Any, Any] = {"exif": _exif_of_webp(stream)}
        elif head.startswith(_PNG):
            info = PngImagePlugin.PngImageFile(stream).info
        elif head.startswith(_JPEG):
            info = JpegImagePlugin.JpegImageFile(stream).info
        else:
            info = Image.open(stream).info
        texts = {str(key).lower(): text for key, text in info.items() if isinstance(text, str)}
        exif = Image.Exif()
        if not texts.keys() & set(KEYS):
            exif.load(info.get("exif", b""))
        for field in _EXIF_FIELDS:
            key, found, text = _text(exif.get(field)).partition(":")
            if found and key.strip().lower() in KEYS:
                texts.setdefault(key.strip().lower(), text)
    return texts


def _exif_of_webp(stream: BinaryIO) -> bytes:
    """Pillow would make room for all pixels first. Raises EOFError where the file is cut off."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(4)
    end = int.from_bytes(stream.read(4), "little") + 8
    if end > size:
        raise EOFError
    at = 12
    for _ in range(_FRAMES_MAX):
        stream.seek(at)
        head = stream.read(8)
        length = int.from_bytes(head[4:], "little")
        if at + 8 + length > end:
            break
        if head[:4] == b"EXIF":
            return stream.read(min(length, _COMMENT_MAX))
        at += 8 + length + length % 2
    return b""


def _require_few_chunks(stream: BinaryIO) -> None:
    """Refuse a PNG with so many chunks that reading them would take seconds."""
    begun = stream.read(8) == _PNG
    for _ in range(_CHUNKS_MAX if begun else 0):
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IDAT":  # noqa: PLR2004 - the length and the kind
            break
        stream.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    else:
        if begun:
            raise NotAWorkflow(Why.CHUNKS_MANY, limit=_CHUNKS_MAX)
    stream.seek(0)


def _of_sound(stream: BinaryIO) -> dict[str, str]:
    import mutagen  # 12 ms that only a sound costs

    file = mutagen.File(stream)
    tags: dict[str, str] = {}
    for key, value in (file.tags or {}).items() if file is not None else ():
        name = str(key).lower().removeprefix("txxx:").partition(":")[0]
        texts = getattr(value, "text", value)
        text = texts[0] if isinstance(texts, list) and texts else texts
        tags.setdefault("comment" if name == "comm" else name, str(text))
    return tags


def _of_comment(text: str) -> dict[str, str]:
    """A comment that is JSON of both graphs, each as an object or as a text of its own."""
    if not text.lstrip().startswith("{") or len(text) > _COMMENT_MAX:
        return {}
    try:
        tags = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
    return {key: _plain(tags[key]) for key in KEYS if isinstance(tags, Mapping) and tags.get(key)}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
