"""Look: what is wrong with a file, judged by the name that it has or shall get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from comfyfix.files import is_pickle
from comfyfix.formats import gguf, impostors, onnx, pickles, safetensors, torch_zip
from comfyfix.formats.finding import Finding, Refused
from comfyfix.formats.pickle_walk import ForeignImport

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


def inspect(path: Path, *, name: str = "", look_inside: bool = True) -> Finding | None:
    """Say what is wrong with a file, judged by its name; None if nothing is. Raises OSError.

    `name` is the one that it shall get, where it has another one yet.

    Bounded: headers, directories and pickles are read, weights never. `look_inside` is false for
    a user who allows pickles whatever they hold.
    """
    with path.open("rb") as stream:
        size = path.stat().st_size
        head = stream.read(HEAD)
        name = name or path.name
        extension = Path(name).suffix.lower()
        check = _STRICT.get(extension)
        if size and check is not None:
            stream.seek(0)
            finding = check(stream, size)
            return finding and (_disguised(stream, head, size, extension) or finding)
        finding = impostors.empty_or_text(head, size)
        if extension in _TEXTS:
            return finding if size == 0 else None
        if is_pickle(name):
            return _as_pickle(stream, head, size, look_inside=look_inside)
        return finding or (_hostile(stream, head, size) if look_inside else None)


def _as_pickle(stream: BinaryIO, head: bytes, size: int, *, look_inside: bool) -> Finding | None:
    """Judge a file that torch would load by its name."""
    text = impostors.empty_or_text(head, size)
    if head.startswith(ZIP):
        refused = _refused(lambda: torch_zip.check(stream, size, look_inside=look_inside))
        return refused.finding if refused else None
    refused = _refused(lambda: pickles.check(stream, size)) if size else None
    if size and refused is None:
        return None
    if refused and (_is_pickle(head) or _imports(refused)):
        hidden = refused.finding.kind == "unsafe" and not look_inside
        return None if hidden else refused.finding
    if _is_safetensors(head):
        return Finding("wrong", "it is a safetensors file under this name")
    neither = Finding("wrong", "it is neither a zip archive nor a pickle, as such a file is")
    return text or impostors.another_kind(head) or neither


def _disguised(stream: BinaryIO, head: bytes, size: int, extension: str) -> Finding | None:
    """Say which other file lies under a name whose format it has not."""
    if extension in (".safetensors", ".sft") and _is_safetensors(head):
        return None  # the length of its header may read like anything
    if extension == ".gguf" and head.startswith(b"GGUF"):
        return None
    hostile = _hostile(stream, head, size)
    if hostile is not None:
        return hostile
    if _is_pickle(head) and _refused(lambda: pickles.check(stream, size)) is None:
        return Finding("wrong", "it is a pickle under this name")
    if _is_safetensors(head):
        return Finding("wrong", "it is a safetensors file under this name")
    return impostors.empty_or_text(head, size) or impostors.another_kind(head)


def _hostile(stream: BinaryIO, head: bytes, size: int) -> Finding | None:
    """Say whether a file of any name would run code, for one who loads it whatever its name is."""
    if head.startswith(ZIP):
        refused = _refused(lambda: torch_zip.check(stream, size))
        told = refused is not None and refused.finding.kind == "unsafe"
    else:
        refused = _refused(lambda: pickles.check(stream, size))
        told = _imports(refused) or (
            refused is not None and _is_pickle(head) and refused.finding.kind == "unsafe"
        )
    return refused.finding if refused is not None and told else None


def _refused(check: Callable[[], None]) -> Refused | None:
    try:
        check()
    except Refused as refused:
        return refused
    return None


def _imports(refused: Refused | None) -> bool:
    """Tell whether what was refused is an import: then it is a pickle, whatever it begins with."""
    return isinstance(refused, ForeignImport) and refused.is_meant


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] <= b"\x05"


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and head[6:8] == b"\0\0"
