"""Formats: is a file what its name says? Each check reads little and trusts nothing."""

from __future__ import annotations

from pathlib import Path

from comfyfix.formats import gguf, impostors, safetensors

HEAD = 4096


def inspect(path: Path) -> str:
    """Say what is wrong with a file's form; empty if nothing is. Raises OSError.

    Bounded: the head of any file, and the header of a safetensors file.
    """
    with path.open("rb") as stream:
        size = path.stat().st_size
        head = stream.read(HEAD)
        problem = impostors.problem(head, size)
        if problem:
            return problem
        extension = path.suffix.lower()
        if extension in (".safetensors", ".sft"):
            stream.seek(0)
            return safetensors.problem(stream, size)
        if extension == ".gguf":
            return gguf.problem(head)
    return ""
