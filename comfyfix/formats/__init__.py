"""Formats: is a file what its name says, and safe? Each check reads little, trusts nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from comfyfix.files import is_pickle
from comfyfix.formats import gguf, impostors, onnx, pickles, safetensors, torch_zip
from comfyfix.formats.finding import Finding, Refused

__all__ = ["RULES", "Finding", "inspect"]

RULES = 2
"""Rises when the checks learn something, so that files which passed before are looked at again."""
HEAD = 4096
ZIP = b"PK\x03\x04"
_TEXTS = (".yaml", ".yml", ".json", ".txt")  # files of settings that some folders hold
_Check = Callable[[BinaryIO, int], Finding | None]
_STRICT: dict[str, _Check] = {
    ".safetensors": safetensors.check,
    ".sft": safetensors.check,
    ".gguf": gguf.check,
    ".onnx": onnx.check,
}


def inspect(path: Path, *, look_inside: bool = True) -> Finding | None:
    """Say what is wrong with a file, judged by its name; None if nothing is. Raises OSError.

    Bounded: headers, directories and pickles are read, weights never. `look_inside` is false for
    a user who allows pickles whatever they hold.
    """
    with path.open("rb") as stream:
        size = path.stat().st_size
        head = stream.read(HEAD)
        extension = path.suffix.lower()
        check = _STRICT.get(extension)
        if size and check is not None:
            stream.seek(0)
            finding = check(stream, size)
            return finding and (_disguised(stream, head, size, extension) or finding)
        finding = impostors.empty_or_text(head, size)
        if extension in _TEXTS:
            return finding if size == 0 else None
        if is_pickle(path.name):
            return _as_pickle(stream, head, size, look_inside=look_inside)
        return finding or (_hostile(stream, head, size) if look_inside else None)


def _as_pickle(stream: BinaryIO, head: bytes, size: int, *, look_inside: bool) -> Finding | None:
    """Judge a file that torch would load by its name."""
    impostor = impostors.empty_or_text(head, size)
    if head.startswith(ZIP):
        return _found(lambda: torch_zip.check(stream, size, look_inside=look_inside))
    if _is_safetensors(head):
        return Finding("wrong", "it is a safetensors file under this name")
    finding = _found(lambda: pickles.check(stream, size)) if size else impostor
    if finding is None or (finding.kind == "unsafe" and not look_inside):
        return None
    if finding.kind == "unsafe":
        return finding
    if _is_pickle(head):
        return finding
    neither = Finding("wrong", "it is neither a zip archive nor a pickle, as such a file is")
    return impostor or impostors.another_kind(head) or neither


def _disguised(stream: BinaryIO, head: bytes, size: int, extension: str) -> Finding | None:
    """Say which other file lies under a name whose format it has not."""
    if extension in (".safetensors", ".sft") and _is_safetensors(head):
        return None  # the length of its header may read like anything
    if extension == ".gguf" and head.startswith(b"GGUF"):
        return None
    text = impostors.empty_or_text(head, size)
    hostile = _hostile(stream, head, size)
    if hostile is not None:
        return hostile
    if not head.startswith(ZIP) and pickles.loads(stream, size):
        return Finding("wrong", "it is a pickle under this name")
    if _is_safetensors(head):
        return Finding("wrong", "it is a safetensors file under this name")
    return text or impostors.another_kind(head)


def _hostile(stream: BinaryIO, head: bytes, size: int) -> Finding | None:
    """Say whether a file of any name would run code, for one who loads it whatever its name is."""
    finding: Finding | None = None
    if head.startswith(ZIP):
        finding = _found(lambda: torch_zip.check(stream, size))
    elif _is_pickle(head):
        finding = _found(lambda: pickles.check(stream, size))
    return finding if finding is not None and finding.kind == "unsafe" else None


def _found(check: Callable[[], None]) -> Finding | None:
    try:
        check()
    except Refused as refused:
        return refused.finding
    return None


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] <= b"\x05"


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and head[6:8] == b"\0\0"
