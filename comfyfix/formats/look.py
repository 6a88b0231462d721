"""Look: what is wrong with a file, judged by the name that it has or shall get.

A file counts under the one reading that its loader would choose; where two readers would take it
for different things it is unsafe. What is inside decides, under any name, packed or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from comfyfix import endings
from comfyfix.formats import gguf, impostors, npy, onnx, safetensors
from comfyfix.formats.finding import Finding, Refused, unsafe, wrong
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle import files as pickles
from comfyfix.formats.pickle import packed
from comfyfix.formats.pickle.source import ANY_SIZE
from comfyfix.formats.zip import behind, zips

HEAD = 4096
# Files of settings that some folders hold, and what lies beside the weights of language models.
_TEXTS = (".yaml", ".yml", ".json", ".txt", ".jinja", ".tiktoken", ".bpe", ".vocab", ".md", ".py")
_Kind = Literal["torch", "numpy", "packed", "pickle", ""]
_Check = Callable[[BinaryIO, int], Finding | None]
_STRICT: dict[str, _Check] = {
    **dict.fromkeys(endings.SAFETENSORS, safetensors.check),
    ".gguf": gguf.check,
    ".onnx": onnx.check,
}
_PYTHON = (".npy", ".npz", *endings.PICKLES)  # NumPy's or a pickle


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a file has shown.

    `finding` is what is wrong with it, if anything; `is_known` tells whether it is of a kind that
    was looked into, so that nothing wrong means something.
    """

    finding: Finding | None
    is_known: bool = True


def inspect(path: Path, *, name: str = "", look_inside: bool = True) -> Finding | None:
    """Say what is wrong with a file, judged by its name; None if nothing is. Raises OSError."""
    return look(path, name=name, look_inside=look_inside).finding


def look(path: Path, *, name: str = "", look_inside: bool = True) -> Look:
    """Look at a file, judged by its name. Raises OSError.

    `name` is the one that it shall get, where it has another one yet.

    Bounded: headers, directories and pickles are read, weights never. `look_inside` is false for
    a user who allows pickles whatever they hold.
    """
    with path.open("rb") as stream:
        size = path.stat().st_size
        head = stream.read(HEAD)
        file = _File(stream, size, head, name or path.name, look_inside)
        extension = Path(file.name).suffix.lower()
        second = _refused(lambda: behind.check(stream, size))
        if second is not None and look_inside and not _is_tflite(file.name, head):
            return Look(second.finding)
        check = _STRICT.get(extension)
        if size and check is not None:
            stream.seek(0)
            finding = check(stream, size) or _as_pickle_too(file)
            return Look(finding and (_disguised(file, extension) or finding))
        text = impostors.empty_or_text(head, size)
        if extension in _TEXTS:
            return _as_settings(file, text)
        if extension in endings.TORCH:
            return Look(_as_torch(file, text))
        return _as_other(file, text, extension)


@dataclass(frozen=True, slots=True)
class _File:
    stream: BinaryIO
    size: int
    head: bytes
    name: str
    look_inside: bool


def _as_torch(file: _File, text: Finding | None) -> Finding | None:
    """Judge a file that torch would load by its name."""
    if not file.size:
        return text
    refused, kind = _content(file)
    if refused is None:
        return _is_torch(file, kind) if file.look_inside else None
    if refused.finding.kind == "unsafe":
        return refused.finding if file.look_inside else None
    if file.head.startswith(zips.MAGIC) or pickles.is_marked(file.head):
        return refused.finding
    if _is_safetensors(file.head):
        return wrong(Flaw.IS_SAFETENSORS).finding
    neither = wrong(Flaw.IS_NEITHER_ZIP_NOR_PICKLE).finding
    return text or impostors.another_kind(file.head) or neither


def _is_torch(file: _File, kind: _Kind) -> Finding | None:
    """Say what is wrong with a harmless file of some kind under a name of torch's."""
    if kind in ("torch", "pickle") or (kind and file.name.lower().endswith(".pkl")):
        return None  # a .pkl may be anyone's
    return (kind and impostors.another_kind(file.head)) or wrong(Flaw.ZIP_NOT_TORCH).finding


def _as_settings(file: _File, text: Finding | None) -> Look:
    """Judge a file of settings: it may be anything but what a reader would run."""
    if not file.size or not file.look_inside:
        return Look(text if not file.size else None)
    refused, _ = _content(file)
    unsafe_inside = refused is not None and refused.finding.kind == "unsafe"
    return Look(refused.finding if refused is not None and unsafe_inside else None)


def _as_other(file: _File, text: Finding | None, extension: str) -> Look:
    """Judge a file of which the name tells little: it may be loaded by anything."""
    if not file.size or not file.look_inside:
        return Look(text, is_known=text is not None)
    refused, kind = _content(file)
    if refused is None:
        return Look(None, is_known=bool(kind))
    if refused.finding.kind == "unsafe":
        return Look(refused.finding)
    if extension in _PYTHON:
        return Look(text or refused.finding)
    return Look(text, is_known=text is not None)


def _as_pickle_too(file: _File) -> Finding | None:
    """Say whether a file of a format without code would act where it is taken for a pickle."""
    refused = _refused(lambda: pickles.check(file.stream, file.size))
    acts = refused is not None and refused.finding.kind == "unsafe"
    return refused.finding if refused is not None and acts else None


def _disguised(file: _File, extension: str) -> Finding | None:
    """Say which other file lies under a name whose format it has not."""
    if extension in endings.SAFETENSORS and _is_safetensors(file.head):
        return None  # the length of its header may read like anything
    if extension == ".gguf" and file.head.startswith(b"GGUF"):
        return None
    refused, kind = _content(file)
    if refused is not None and refused.finding.kind == "unsafe":
        return refused.finding
    if refused is None and kind == "pickle":
        return wrong(Flaw.IS_PICKLE).finding
    if _is_safetensors(file.head):
        return wrong(Flaw.IS_SAFETENSORS).finding
    return impostors.empty_or_text(file.head, file.size) or impostors.another_kind(file.head)


def _content(file: _File) -> tuple[Refused | None, _Kind]:
    """Look at what the file holds, as the readers of Python would.

    Return what was refused, and which kind it is; empty for one that is not looked into.
    """
    stream, size, head = file.stream, file.size, file.head
    if head.startswith(zips.MAGIC):
        return _zip(file)
    if head.startswith(npy.MAGIC):
        stream.seek(0)
        return _refused(lambda: npy.check(stream, size)), "numpy"
    if impostors.is_tar(head):
        return unsafe(Flaw.IS_TAR_OF_PICKLES), ""
    if packed.is_old_joblib(head):
        return unsafe(Flaw.IS_OLD_JOBLIB), ""
    joblib = file.name.lower().endswith(".joblib")
    inside = packed.opened(stream, head)
    if inside is not None:
        refused = _refused(lambda: pickles.check(inside, ANY_SIZE, joblib=True))
        if refused is None or refused.finding.kind == "unsafe":
            return refused, "packed"
    return _refused(lambda: pickles.check(stream, size, joblib=joblib)), "pickle"


def _zip(file: _File) -> tuple[Refused | None, _Kind]:
    numpy = file.name.lower().endswith(".npz")  # which tells large letters from small ones
    try:
        return None, zips.check(
            file.stream, file.size, look_inside=file.look_inside, any_case=not numpy
        )
    except Refused as refused:
        return refused, ""


def _refused(check: Callable[[], None]) -> Refused | None:
    try:
        check()
    except Refused as refused:
        return refused
    return None


def _is_tflite(name: str, head: bytes) -> bool:
    """Tell a file of TensorFlow Lite, whose notes lie in a zip behind it by its own rules."""
    return name.lower().endswith(".tflite") and head[4:8] == b"TFL3"


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and head[6:8] == b"\0\0"
