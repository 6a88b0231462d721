"""torch's archives: a zip with one pickle, `NAME/data.pkl`, and the weights in `NAME/data/KEY`."""

from __future__ import annotations

import io
from typing import BinaryIO

from comfyfix.files import printable
from comfyfix.formats import archive, pickles
from comfyfix.formats.archive import Member
from comfyfix.formats.finding import Refused, damaged, unsafe, wrong
from comfyfix.formats.pickle_values import Storage
from comfyfix.formats.pickle_walk import ForeignImport, Walk
from comfyfix.formats.window import Window

_HEAD = 4096  # bytes of a member in which a hidden pickle would show itself
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin")


def check(stream: BinaryIO, size: int, *, look_inside: bool = True) -> None:
    """Look at a zip archive that should be torch's; `look_inside`: at its pickle too.

    Raises Refused.
    """
    members = {member.name: member for member in archive.members(stream, size)}
    found = [name for name in members if name.rpartition("/")[2].casefold() == "data.pkl"]
    if not look_inside:
        return
    for member in members.values():
        if member.name not in found:
            _check_other(stream, member)
    if not found:
        raise wrong("it is a zip archive without the data.pkl of torch")
    if len(found) > 1:
        raise unsafe(f"its zip has {len(found)} members named data.pkl")
    root = found[0].removesuffix("data.pkl")
    if any(name.startswith((f"{root}code/", f"{root}constants.pkl")) for name in members):
        raise unsafe("it is a TorchScript program: what loads it runs the code inside")
    storages = _check_pickle(stream, members[found[0]])
    for key, storage in storages.items():
        _check_weights(members.get(f"{root}data/{key}"), key, storage)


def _check_pickle(stream: BinaryIO, member: Member) -> dict[str, Storage]:
    if member.size > pickles.PICKLE_MAX:
        raise unsafe(f"its pickle has {member.size} bytes, too many to look at")
    content, size = archive.opened(stream, member, pickles.PICKLE_MAX)
    return pickles.check_one(content, size)


def _check_weights(member: Member | None, key: str, storage: Storage) -> None:
    if member is None:
        raise damaged(f"the weights {printable(key, 40)} are missing in its zip")
    if storage.item_bytes is not None and member.size != storage.items * storage.item_bytes:
        raise damaged(f"the weights {printable(key, 40)} have another size than its pickle says")


def _check_other(stream: BinaryIO, member: Member) -> None:
    """Refuse a member that hides a pickle, or another archive, under whatever name."""
    content, size = archive.opened(stream, member, _HEAD)
    head = content.read(size)
    if head.startswith(b"PK\x03\x04"):
        raise unsafe(f"its zip holds another zip, {printable(member.name, 60)}")
    if member.name.lower().endswith(_PICKLES):
        _check_pickle(stream, member)
        return
    try:
        Walk(Window(io.BytesIO(head), len(head), member.start)).run()
    except ForeignImport as found:
        if found.is_meant:
            name = printable(member.name, 40)
            raise unsafe(f"its zip hides a pickle in {name}: {found.finding.reason}") from None
    except Refused:
        pass  # no pickle
