"""The names under which ComfyUI takes a file: all that a command without a scan needs."""

from __future__ import annotations

from comfyfix import endings
from comfyfix.records import Reference


def spellings(reference: Reference, path: str) -> tuple[str, ...]:
    """The names under which ComfyUI would take a file: of what it names itself, any extension."""
    if not reference.files:
        return (path,)
    stem = path.rpartition(".")[0]
    return (path, *(s for end in endings.TRIED if (s := stem + end) != path))
