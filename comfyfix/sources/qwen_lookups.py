"""Two questions that only Qwen asks: a model card of the Hub, and Civitai's search by type."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfyfix.comfyui.shapes import mapping
from comfyfix.errors import RETRY, SourceDown
from comfyfix.files import printable
from comfyfix.records import Model
from comfyfix.sources import civitai
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

    def ask() -> str:
        url = f"{services.manifest.endpoints.huggingface}/{repo}/raw/main/README.md"
        answer = services.web.get(url)
        if answer.status in (401, 403, 404):
            return ""
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            raise SourceDown(
                "Hugging Face gave no model card", cause=f"status {answer.status}", next_step=RETRY
            )
        lines = answer.body[: 4 * CARD_MAX].decode("utf-8", "replace").splitlines()
        return "\n".join(printable(line, CARD_MAX) for line in lines)[:CARD_MAX]

    text: str = services.once(("hub card", repo), ask)
    return text


def civitai_files(
    query: str, kind: str, wanted: Wanted, services: Services
) -> list[dict[str, Any]]:
    """Files of the models that Civitai finds. Raises SourceDown, RegionBlocked."""
    folder = _FOLDERS.get(kind.casefold()) if kind else wanted.model.folder
    asked = replace(wanted, model=Model(folder=folder, path=wanted.model.path))
    found = []
    for version, file in civitai._search(query, asked, services):
        found.append(
            {
                "model": printable(str(mapping(version.get("model")).get("name")), 80),
                "version": printable(str(version.get("name")), 40),
                "model_version_id": version.get("id"),
                "file_id": file.get("id"),
                "file": printable(str(file.get("name"))),
            }
        )
    return found
