"""Gist: what the header of a file says of it, in a few words, for whoever judges what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from comfyfix import endings
from comfyfix.disk.files import printable
from comfyfix.formats import gguf, safetensors
from comfyfix.formats.finding import Refused

KEYS_MAX = 20
NAMES_MAX = 12
TEXT_MAX = 100  # characters
# Trainers write captions and paths of their own disk beside these; only these are passed on.
TOLD = (
    "format",
    "modelspec.architecture",
    "modelspec.implementation",
    "ss_base_model_version",
    "ss_network_module",
)


def of_file(path: Path) -> dict[str, Any]:
    """Say what a safetensors or GGUF header tells; empty for other files, and unreadable ones."""
    readers = {**dict.fromkeys(endings.SAFETENSORS, _safetensors), ".gguf": _gguf}
    read = readers.get(path.suffix.lower())
    if read is None:
        return {}
    try:
        with path.open("rb") as stream:
            return read(stream, path.stat().st_size)
    except (OSError, Refused, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}


def _safetensors(stream: BinaryIO, size: int) -> dict[str, Any]:
    length = int.from_bytes(stream.read(8), "little")
    if length > min(size, safetensors.HEADER_MAX):
        return {}
    header = msgspec.json.decode(stream.read(length), type=dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(header.pop("__metadata__", b"{}"), type=dict[str, str])
    return {
        "format": "safetensors",
        "tensors": len(header),
        "some_tensors": [printable(name, TEXT_MAX) for name in _some(sorted(header))],
        "metadata_keys": [printable(key, TEXT_MAX) for key in sorted(metadata)[:KEYS_MAX]],
        "metadata": _told(metadata),
    }


def _told(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: printable(metadata[key], TEXT_MAX) for key in TOLD if key in metadata}


def _some(names: list[str]) -> list[str]:
    """Names from all over: those of the first layers alone say little."""
    step = max(1, -(-len(names) // NAMES_MAX))
    return names[::step]


def _gguf(stream: BinaryIO, size: int) -> dict[str, Any]:
    return {
        "format": "GGUF",
        "architecture": printable(gguf.architecture(stream, size), TEXT_MAX),
    }
