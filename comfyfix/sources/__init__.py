"""Sources: who can say where a model can be had, in the order in which they are trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfyfix.sources import catalog, civitai, huggingface, openmodeldb, store, workflow
from comfyfix.sources.base import Source
from comfyfix.sources.qwen import source as qwen

if TYPE_CHECKING:
    from comfyfix.settings.manifest import Manifest

ALL: tuple[Source, ...] = (store, workflow, catalog, huggingface, civitai, openmodeldb, qwen)
"""The literal list, most trusted first; `search.sources` of the manifest picks from it."""

LAST: Source = civitai.Last()
"""Who is asked where no source has anything, if its source is among those that are asked."""


def chosen(names: tuple[str, ...]) -> tuple[Source, ...]:
    """Return the sources of these names, in the manifest's order."""
    by_name = {source.NAME: source for source in ALL}
    return tuple(by_name[name] for name in names if name in by_name)


def costs(source: Source, manifest: Manifest) -> bool:
    """Tell whether a question to a source costs somebody something."""
    return source is qwen and bool(manifest.qwen.base_url)
