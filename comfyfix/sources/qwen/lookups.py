"""Two questions that only Qwen asks: a model card of the Hub, and Civitai's search by type."""

from __future__ import annotations

from typing import Any

from comfyfix.disk.files import printable
from comfyfix.providers.civitai.kinds import types_for
from comfyfix.sources.base import Services, Wanted

CARD_MAX = 6000  # characters
_FOLDERS = {
    "checkpoint": "checkpoints",
    "lora": "loras",
    "vae": "vae",
    "controlnet": "controlnet",
    "upscaler": "upscale_models",
    "textualinversion": "embeddings",
}
"""The model folder that makes Civitai's search look for a type."""


def card_of(repo: str, services: Services) -> str:
    """The beginning of a repository's README; empty if there is none. Raises SourceDown."""
    lines = services.hub.card(repo)[: 4 * CARD_MAX].decode("utf-8", "replace").splitlines()
    return "\n".join(printable(line, CARD_MAX) for line in lines)[:CARD_MAX]


def civitai_files(
    query: str, kind: str, wanted: Wanted, services: Services
) -> list[dict[str, Any]]:
    """Files of the models that Civitai finds. Raises SourceDown, RegionBlocked."""
    folder = _FOLDERS.get(kind.casefold()) if kind else wanted.model.folder
    entries = services.civitai.search(query, types_for(folder), nsfw=True)
    return [
        {
            "model": printable(entry.model, 80),
            "version": printable(entry.version, 40),
            "model_version_id": entry.version_id,
            "file_id": entry.file_id,
            "file": printable(entry.name),
        }
        for entry in entries
    ]
