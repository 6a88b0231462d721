"""The snapshot in a zip of comfy-pack: one member is read, in memory, and nothing is unpacked.

The directory of a zip costs memory for each name in it, and a member can grow a thousandfold, so
both are bounded before they are read.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from typing import BinaryIO

from comfyfix.comfyui.manifests.listing import NotAList
from comfyfix.records import because
from comfyfix.why import Why

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
MEMBER = "snapshot.json"
MEMBER_MAX = 8 << 20  # bytes; a snapshot of a thousand models has one million
_DIRECTORY_MAX = 4 << 20  # bytes
_END = b"PK\x05\x06"
_ELSEWHERE = b"PK\x06\x07"  # of files beyond 4 GB, or of more than 65,535 members
_END_SIZE, _COMMENT_MAX = 22, 1 << 16
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others may ask for gigabytes to unpack


def snapshot(stream: BinaryIO) -> bytes:
    """Return the snapshot in a zip. Raises NotAList, OSError."""
    _require_small_directory(stream)
    try:
        with zipfile.ZipFile(stream) as archive:
            return _read(archive)
    except RuntimeError:  # what zipfile raises for an encrypted member
        raise NotAList(because(Why.ZIP_LOCKED)) from None
    except NotAList:
        raise
    except Exception as error:  # noqa: BLE001 - the directory and the compressor have errors of their own
        raise NotAList(because(Why.ZIP_BROKEN, error=type(error).__name__)) from None


def _read(archive: zipfile.ZipFile) -> bytes:
    snapshots = [info for info in archive.infolist() if _is_snapshot(info.filename)]
    if not snapshots:
        raise NotAList(because(Why.IMPORT_NO_SNAPSHOT, name=MEMBER))
    if len(snapshots) > 1:
        raise NotAList(because(Why.IMPORT_TWO_SNAPSHOTS, name=MEMBER))
    info = snapshots[0]
    odd = stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG)
    if odd or info.compress_type not in _PLAIN:
        raise NotAList(because(Why.IMPORT_ODD_MEMBER, name=MEMBER))
    with archive.open(info) as member:
        data = member.read(MEMBER_MAX + 1)
    if len(data) > MEMBER_MAX:
        raise NotAList(because(Why.MEMBER_LARGE, limit=MEMBER_MAX))
    return data


def _is_snapshot(name: str) -> bool:
    """Tell the snapshot at the top, or in the one folder that somebody has packed again."""
    *folders, last = name.split("/")
    return last == MEMBER and len(folders) <= 1


def _require_small_directory(stream: BinaryIO) -> None:
    """Raise NotAList where an end of the zip, whichever counts, tells of a large directory."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _END_SIZE - _COMMENT_MAX))
    tail = stream.read()
    ends = [match.start() for match in re.finditer(re.escape(_END), tail)]
    disks = [int.from_bytes(tail[end + 12 : end + 16], "little") for end in ends]
    if _ELSEWHERE in tail or any(one > _DIRECTORY_MAX for one in disks):
        raise NotAList(because(Why.IMPORT_LARGE_DIRECTORY, limit=_DIRECTORY_MAX))
    stream.seek(0)
