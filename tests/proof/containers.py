"""What a pickle lies in when it is a model file: torch's zip, tar and older format, NumPy's."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Mapping

MAGIC = 0x1950A86A20F9469CFC6C


def torch_zip(
    data: bytes, weights: Mapping[str, bytes] | None = None, root: str = "archive"
) -> bytes:
    """Return a zip archive with one pickle and its weights, as torch writes it since 2020."""
    members = {f"{root}/data.pkl": data, f"{root}/byteorder": b"little"}
    members |= {f"{root}/data/{key}": content for key, content in (weights or {}).items()}
    return zipped({**members, f"{root}/version": b"3\n"})


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive of these members, the same on every day."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, method)
    return out.getvalue()


def torch_old(
    data: bytes,
    weights: Mapping[str, bytes] | None = None,
    *,
    items: Mapping[str, int] | None = None,
    other: Mapping[int, bytes] | None = None,
) -> bytes:
    """Return the five pickles of torch's format of before 2020; `other` replaces some of them.

    `items` tells how many numbers a weight has, where they are not of four bytes.
    """
    weights = weights or {}
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    told = [MAGIC, 1001, facts, None, list(weights)]
    parts = [pickle.dumps(part, 2) for part in told]
    parts[3] = data
    for place, replacement in (other or {}).items():
        parts[place] = replacement
    counts = {key: len(block) // 4 for key, block in weights.items()} | dict(items or {})
    blocks = (struct.pack("<q", counts[key]) + block for key, block in weights.items())
    return b"".join(parts) + b"".join(blocks)


def torch_tar(
    data: bytes, *, first: bytes = b"", storages: bytes = b"", tensors: bytes = b""
) -> bytes:
    """Return the tar of 2016; `first` becomes the name of a member before all others."""
    empty = pickle.dumps(0, 2)
    members = {"storages": storages or empty + pickle.dumps([], 2), "tensors": tensors or empty}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in {**members, "pickle": data}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return (_header(first) if first else b"") + out.getvalue()


def _header(first: bytes) -> bytes:
    """Return the header of an empty member whose name is any bytes."""
    header = bytearray(512)
    header[: len(first)] = first
    header[100:124] = b"0000644\0" + b"0000000\0" * 2
    header[124:148] = b"00000000000\0" * 2
    header[156:157] = b"0"
    header[257:265] = b"ustar\00000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def npy(data: bytes, descr: str = "|O", shape: str = "()") -> bytes:
    """Return an array file of NumPy whose content is a pickle."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
    padded = header.ljust(117) + "\n"  # 128 bytes with what is in front of it
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode() + data
