"""GGUF: the first eight bytes, which every GGUF file has."""

from __future__ import annotations

VERSIONS = range(1, 16)


def problem(head: bytes) -> str:
    """Say what is wrong with the start of a GGUF file; empty if nothing is."""
    if head[:4] != b"GGUF" or len(head) < 8:  # noqa: PLR2004 - magic and version
        return "it does not start as a GGUF file"
    if int.from_bytes(head[4:8], "little") not in VERSIONS:
        return "its GGUF version is not known"
    return ""
