"""The lock file as comfy-cli documents its comfy-lock.yaml: models alone, no node packs.

https://github.com/Comfy-Org/comfy-cli#beta-feature-format-of-comfy-lockyaml-wip. It knows no sizes
and no directories, so each file of a directory is a model of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from comfyfix.comfyui.store.keys import core_directories
from comfyfix.file_names import shards
from comfyfix.settings.lockfile import Entry

COMFY_LOCK = "comfy-lock"
_TYPES = {  # as comfy-cli calls what it downloads; others are called by their folder
    "checkpoints": "checkpoint",
    "loras": "lora",
    "embeddings": "embedding",
    "hypernetworks": "hypernetwork",
    "upscale_models": "upscaler",
    "text_encoders": "text_encoder",
    "diffusion_models": "diffusion_model",
}


def shaped(entries: Iterable[Entry]) -> dict[str, Any]:
    """What the file holds: paths are those below the folder of ComfyUI."""
    return {"basic": {}, "models": [model for entry in entries for model in _models(entry)]}


def text(document: dict[str, Any]) -> str:
    """The file."""
    import yaml  # only who writes one needs it

    written: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)
    return written


def _models(entry: Entry) -> Iterator[dict[str, Any]]:
    if not entry.files:
        yield _model(entry.folder, entry.path, entry.url, entry.sha256)
    # A directory's own path ends where those of its files begin; a set lies beside its name.
    base = entry.path.rpartition("/")[0] if shards(entry.path) else entry.path
    for file in entry.files:
        path = f"{base}/{file.path}" if base else file.path
        yield _model(entry.folder, path, file.url, file.sha256)


def _model(folder: str, path: str, url: str, sha256: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"model": path.rpartition("/")[2]}
    if url:
        entry["url"] = url
    entry["paths"] = [{"path": f"models/{_directory(folder)}/{path}"}]
    if sha256:  # of a small file of a repository only git's id may be known
        entry["hashes"] = [{"hash": sha256, "type": "SHA256"}]
    return {**entry, "type": _TYPES.get(folder, folder)}


def _directory(folder: str) -> str:
    """Where ComfyUI has the models of a folder key, the same on every machine."""
    return core_directories().get(folder, (folder,))[0]
