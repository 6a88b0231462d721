"""Zip archives of models: torch's, NumPy's, and what else lies in a zip.

An archive is torch's only if it holds what torch.save writes and nothing else, in one folder: one
pickle, `data.pkl`, the weights in `data/KEY`, and a few notes. With anything beside them another
reader might take it for something of its own.
"""

from __future__ import annotations

import io
import re
from typing import BinaryIO, Literal

from comfyfix.endings import is_pickle
from comfyfix.formats import npy
from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle import files as pickles
from comfyfix.formats.pickle.kinds import Storage
from comfyfix.formats.zip import archive
from comfyfix.formats.zip.archive import Member
from comfyfix.formats.zip.zip_directory import STORED

MAGIC = b"PK\x03\x04"
_HEAD = 4096  # bytes of a member in which a hidden pickle would show itself
_NESTED_MAX = 64_000_000  # bytes of an archive inside an archive
_TORCH = re.compile(
    r"data\.pkl|byteorder|version|data/\d{1,20}|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id"
)
# What torch's other readers would run, by the name of a member in small letters.
_SCRIPT = re.compile(r"(^|/)(constants\.pkl$|code/)")
_PROGRAMS = re.compile(
    r"\.(so|dylib|dll|pyd|cpp|cu|cubin|ptx|o|a)$|(^|/)\.data/extern_modules$|/aotinductor/"
)


def check(
    stream: BinaryIO,
    size: int,
    *,
    look_inside: bool = True,
    any_case: bool = True,
    depth: int = 0,
) -> Literal["torch", "numpy", ""]:
    """Look at a zip archive; tell whose it is, if that is known. Raises Refused.

    `look_inside`: at its pickles too. `any_case` as for `archive.members`.
    """
    members = archive.members(stream, size, any_case=any_case)
    if not look_inside:
        return ""
    root = _torch_root(members)
    if root is not None:
        _check_torch(stream, members, root)
        return "torch"
    if all(member.name.endswith(".npy") for member in members) and members:
        for member in members:
            _check_array(stream, member)
        return "numpy"
    for member in members:
        _check_other(stream, member, depth)
    _require_one_reading(members)
    return ""


def _torch_root(members: list[Member]) -> str | None:
    """Return the folder that holds all that torch.save writes, None if it is not torch's."""
    names = [member.name for member in members]
    roots = {name.partition("/")[0] for name in names}
    if len(roots) != 1:
        return None
    root = f"{roots.pop()}/"
    inside = [name.removeprefix(root) for name in names]
    known = all(_TORCH.fullmatch(name) for name in inside)
    return root if known and "data.pkl" in inside else None


def _require_one_reading(members: list[Member]) -> None:
    """Refuse what torch might take for its own, and another reader for something else."""
    names = [member.name for member in members]
    pickled = sum(name.rpartition("/")[2].casefold() == "data.pkl" for name in names)
    if pickled > 1:
        raise unsafe(Flaw.ZIP_MANY_PICKLES, count=pickled)
    if pickled:
        other = next((n for n in names if not _TORCH.fullmatch(n.partition("/")[2])), names[0])
        raise unsafe(Flaw.ZIP_MORE_THAN_TORCH, member=other)


def _check_torch(stream: BinaryIO, members: list[Member], root: str) -> None:
    by_name = {member.name.removeprefix(root): member for member in members}
    storages = _check_pickle(stream, by_name["data.pkl"])
    for key, storage in storages.items():
        _check_weights(by_name.get(f"data/{key}"), key, storage)
    for name, member in by_name.items():
        if name.startswith("data/") and name[5:] not in storages and member.size:
            raise unsafe(Flaw.ZIP_WEIGHTS_NOT_NAMED, member=member.name)
        if name != "data.pkl" and _head(stream, member, len(npy.MAGIC)) == npy.MAGIC:
            raise unsafe(Flaw.ZIP_WEIGHTS_ARE_ARRAY, member=member.name)


def _check_pickle(stream: BinaryIO, member: Member) -> dict[str, Storage]:
    if member.size > pickles.PICKLE_MAX:
        raise unsafe(Flaw.ZIP_LARGE_PICKLE, count=member.size)
    content, size = archive.opened(stream, member, pickles.PICKLE_MAX)
    return pickles.check_one(content, size)


def _check_weights(member: Member | None, key: str, storage: Storage) -> None:
    if member is None:
        raise damaged(Flaw.ZIP_WEIGHTS_MISSING, weights=key)
    if storage.item_bytes is not None and member.size != storage.items * storage.item_bytes:
        raise damaged(Flaw.PICKLE_WEIGHTS_SIZE, weights=key)


def _check_array(stream: BinaryIO, member: Member) -> None:
    """Look at an array of an .npz; numpy takes what is none as bytes."""
    try:
        content, size = archive.opened(stream, member, _NESTED_MAX)
    except Refused:  # numpy unpacks bit by bit, and has loaded what comes before the damage
        raise unsafe(Flaw.ZIP_ARRAY_DAMAGED, member=member.name) from None
    begin = content.tell()
    head = content.read(len(npy.MAGIC))
    content.seek(begin)
    if head != npy.MAGIC:
        return
    if size == member.size:
        npy.check(content, size, member.start)
    elif member.method == STORED:
        npy.check(content, member.size, member.start)
    else:
        npy.check_head(content.read(size), member.size, member.start)


def _head(stream: BinaryIO, member: Member, length: int) -> bytes:
    content, size = archive.opened(stream, member, length)
    return content.read(min(size, length))


def _check_other(stream: BinaryIO, member: Member, depth: int) -> None:
    """Refuse a member that some reader would run, under whatever name."""
    name = member.name.casefold()
    if _SCRIPT.search(name):
        raise unsafe(Flaw.IS_TORCHSCRIPT)
    if _PROGRAMS.search(name):
        raise unsafe(Flaw.ZIP_PROGRAM, member=member.name)
    head = _head(stream, member, _HEAD)
    if head.startswith(MAGIC):
        _check_nested(stream, member, depth)
    elif head.startswith(npy.MAGIC):
        _check_array(stream, member)
    elif is_pickle(name) or pickles.is_marked(head):
        _check_hidden(stream, member)
    else:
        _check_start(head, member)


def _check_nested(stream: BinaryIO, member: Member, depth: int) -> None:
    if depth or member.size > _NESTED_MAX:
        raise unsafe(Flaw.ZIP_IN_ZIP, member=member.name)
    content, size = archive.opened(stream, member, _NESTED_MAX)
    check(io.BytesIO(content.read(size)), size, depth=depth + 1)


def _check_hidden(stream: BinaryIO, member: Member) -> None:
    try:
        _check_pickle(stream, member)
    except Refused as refused:
        if refused.finding.kind != "unsafe":
            return
        raise _hidden(member, refused) from None


def _check_start(head: bytes, member: Member) -> None:
    """Refuse what begins as a pickle without saying so."""
    try:
        pickles.check(io.BytesIO(head), len(head))
    except Refused as refused:
        if refused.finding.kind == "unsafe":
            raise _hidden(member, refused) from None


def _hidden(member: Member, refused: Refused) -> Refused:
    cause = refused.finding.reason
    return unsafe(Flaw.ZIP_HIDES_PICKLE, member=member.name, cause=cause)
