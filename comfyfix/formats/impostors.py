"""Files that are no model at all, and files of another kind, by their first bytes."""

from __future__ import annotations

import re

from comfyfix.disk.files import human_size
from comfyfix.formats.finding import Finding

_TEXT = frozenset(b"\t\n\r\f" + bytes(range(0x20, 0x7F)))
_TEXT_LOOK = 512
_TAR_BLOCK = 512
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<script")
_LFS_SIZE = re.compile(rb"^size (\d{1,15})$", re.MULTILINE)
# `/annex/objects/SHA256E-s1048576--…`, with dots and slashes before it where it was a link.
_ANNEX = re.compile(rb"^[./]{0,64}(?:git/)?annex/objects/\S*?(?:-s(\d{1,15}))?(?:-|$)")
_KINDS = (
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\x00", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"RIFF", "a RIFF file (a WebP picture, or a sound)"),
    (0, b"%PDF-", "a PDF document"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"OggS", "a sound"),
    (0, b"ID3", "a sound"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"MZ", "a program for Windows"),
    (0, b"\xca\xfe\xba\xbe", "a program for macOS or Java"),
    (0, b"\xcf\xfa\xed\xfe", "a program for macOS"),
    (0, b"\x00asm", "a WebAssembly program"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"SQLite format 3\x00", "a database (SQLite)"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"lmgg", "an old GGML file"),
    (0, b"tjgg", "an old GGML file"),
)


def empty_or_text(head: bytes, size: int) -> Finding | None:
    """Say which impostor a file is that holds no model at all; None if it is none of them."""
    if size == 0:
        return Finding("damaged", "it is empty")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    low = start[:64].lower()
    reason = ""
    if low.startswith(b"version https://git-lfs"):
        reason = _pointer("a Git LFS pointer", _LFS_SIZE.search(start[:_TEXT_LOOK]))
    elif (annex := _ANNEX.match(start[:_TEXT_LOOK])) is not None:
        reason = _pointer("a git-annex pointer", annex)
    elif low.startswith(_PAGES):
        reason = "it is a web page"
    elif low.startswith(b"<?xml"):
        reason = "it is a web page or an error message in XML"
    elif low.startswith((b'{"', b"{'", b"[{", b"{\n", b"{\r", b"{ ", b"[]", b"{}")):
        reason = "it is JSON, perhaps an error message"
    elif low.startswith(b"#!"):
        reason = "it is a script"
    elif all(byte in _TEXT for byte in head[:_TEXT_LOOK]):
        reason = "it is plain text"
    return Finding("damaged", reason) if reason else None


def another_kind(head: bytes) -> Finding | None:
    """Say which well-known format that is not looked for here a file has, if it has one."""
    for place, magic, kind in _KINDS:
        if head.startswith(magic, place):
            return Finding("wrong", f"it is {kind} under this name")
    return None


def _pointer(what: str, told: re.Match[bytes] | None) -> str:
    size = f" (of {human_size(int(told[1]))})" if told is not None and told[1] else ""
    return f"it is {what}, not the file itself{size}"


def is_tar(head: bytes) -> bool:
    """Tell whether Python's tarfile, which torch asks first, opens a file by its first block.

    It goes by the sum of the block's bytes alone, signed or not, in whatever way the number is
    written; names, marks and types do not matter. True is also said where the first member is one
    that tells of the next (a long name, pax), though a reader may find that one broken. A block of
    zeros is the end of an archive that holds nothing: False.
    """
    block = head[:_TAR_BLOCK]
    if len(block) != _TAR_BLOCK:
        return False
    summed = block[:148] + block[156:]
    # The sum's own field counts as eight spaces. Signed: bytes from 128 on count as negative.
    unsigned = 256 + sum(summed)
    high = sum(byte > 127 for byte in summed)  # noqa: PLR2004 - the sign of a byte
    return _tar_number(block[148:156]) in (unsigned, unsigned - 256 * high)


def _tar_number(field: bytes) -> int | None:
    """Read a number as tarfile does: octal text up to a zero, or binary after a mark; else None."""
    if field[0] in (0o200, 0o377):
        number = int.from_bytes(field[1:], "big")
        return number if field[0] == 0o200 else number - (1 << 56)  # noqa: PLR2004 - the mark
    try:
        return int(field.partition(b"\0")[0].decode("ascii").strip() or "0", 8)
    except ValueError:
        return None
