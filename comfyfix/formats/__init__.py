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
        extension = path.suffix.lower()
        if extension in (".safetensors", ".sft"):
            stream.seek(0)
            problem = safetensors.problem(stream, size)
            # The length of a good header may read like text or JSON, so it is asked first.
            return problem and (impostors.problem(head, size) or problem)
        problem = impostors.problem(head, size)
        if not problem and extension == ".gguf":
            return gguf.problem(head)
        return problem
