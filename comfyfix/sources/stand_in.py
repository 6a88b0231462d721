"""A stand-in for the rules of `contents`."""

from __future__ import annotations

from collections.abc import Sequence

from comfyfix.endings import SAFETENSORS, TORCH
from comfyfix.records import FileFact, Reason, because
from comfyfix.sources.base import Wanted
from comfyfix.why import Why

_READ = (".safetensors", ".sft", ".json", ".txt", ".model", ".gguf", ".onnx", ".jinja", ".bin")


def chosen(
    files: Sequence[FileFact], _wanted: Wanted, *, code: bool
) -> tuple[tuple[FileFact, ...], tuple[str, ...]] | Reason:
    """The files that are needed, and the code that is left out; or why that is not known."""
    safe = any(file.path.endswith(SAFETENSORS) for file in files)
    kept = tuple(
        file
        for file in files
        if file.size
        and (
            (file.path.endswith(_READ) and not (safe and file.path.endswith(TORCH)))
            or (code and file.path.endswith(".py"))
        )
    )
    if not kept:
        return because(Why.FOLDER_EMPTY)
    python = tuple(file.path for file in files if file.path.endswith(".py"))
    return kept, (() if code else python)


def beside(
    others: Sequence[FileFact], _parts: Sequence[FileFact], wanted: Wanted
) -> list[FileFact]:
    """What is needed of the files that lie beside the parts of a set."""
    own_folder = "/" in wanted.model.path
    return [
        file
        for file in others
        if "/" not in file.path
        and file.size
        and (file.path.endswith(".index.json") or (own_folder and file.path.endswith(".json")))
    ]
