"""What prompts name: embeddings, and the LoRAs that some nodes load for a tag in their text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from comfyfix import endings
from comfyfix.comfyui.references.places import Place, has_model_extension, with_extension
from comfyfix.comfyui.workflows.graph import Node, Values

PROMPT_MAX = 1 << 20  # characters of one text in which names are looked for
_NOTES = ("Note", "MarkdownNote")
# ComfyUI takes everything up to the next space for the name; a weight in brackets may follow.
_EMBEDDING = re.compile(r"(?:^|(?<=[\s(\[{,]))embedding:([^\s:,()\[\]{}<>|\"*?]{1,255})")
# After the name come strengths, and what packs add to them.
_TAG = re.compile(r"<lora:([^\n:<>|\"*?]{1,255})(?::[^\n<>]{0,255})?>")


def embeddings(node: Node, values: Values) -> Iterator[Place]:
    """Embeddings that a prompt names; ComfyUI adds the extension where the prompt has none."""
    if node.type in _NOTES:
        return
    for name, text in values:
        if not isinstance(text, str) or "embedding:" not in text:
            continue
        for value in _EMBEDDING.findall(text[:PROMPT_MAX]):
            own = value.lower().endswith(endings.EMBEDDINGS)
            files = () if own else with_extension(value)
            yield Place(
                input=name,
                value=value,
                folder="embeddings",
                files=files,
                kind="embedding",
                listed=False,
            )


def tagged(values: Values, folder: str) -> Iterator[Place]:
    """Models that the texts of a node name as `<lora:name:strength>`, each once."""
    seen = set()
    for name, text in values:
        if not isinstance(text, str) or "<lora:" not in text:
            continue
        for value in map(str.strip, _TAG.findall(text[:PROMPT_MAX])):
            if not value or value in seen:
                continue
            seen.add(value)
            files = () if has_model_extension(value) else with_extension(value)
            yield Place(
                input=name, value=value, folder=folder, files=files, listed=False, by_name=True
            )
