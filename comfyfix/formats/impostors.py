"""Files that are no model at all, and files of another kind, by their first bytes."""

from __future__ import annotations

import re

from comfyfix.formats.finding import Finding, damaged, wrong
from comfyfix.formats.flaws import Flaw

_TEXT = frozenset(b"\t\n\r\f" + bytes(range(0x20, 0x7F)))
_TEXT_LOOK = 512
_TAR_BLOCK = 512
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<script")
_LFS_SIZE = re.compile(rb"^size (\d{1,15})$", re.MULTILINE)
# `/annex/objects/SHA256E-s1048576--…`, with dots and slashes before it where it was a link.
_ANNEX = re.compile(rb"^[./]{0,64}(?:git/)?annex/objects/\S*?(?:-s(\d{1,15}))?(?:-|$)")
_KINDS = (
    (0, b"\x1f\x8b", Flaw.IS_GZIP),
    (0, b"7z\xbc\xaf\x27\x1c", Flaw.IS_7Z),
    (0, b"Rar!\x1a\x07", Flaw.IS_RAR),
    (0, b"BZh", Flaw.IS_BZIP2),
    (0, b"\xfd7zXZ\x00", Flaw.IS_XZ),
    (0, b"\x28\xb5\x2f\xfd", Flaw.IS_ZSTANDARD),
    (0, b"\x04\x22\x4d\x18", Flaw.IS_LZ4),
    (257, b"ustar", Flaw.IS_TAR),
    (0, b"\x89PNG\r\n\x1a\n", Flaw.IS_PNG),
    (0, b"\xff\xd8\xff", Flaw.IS_JPEG),
    (0, b"GIF8", Flaw.IS_GIF),
    (0, b"RIFF", Flaw.IS_RIFF),
    (0, b"%PDF-", Flaw.IS_PDF),
    (4, b"ftyp", Flaw.IS_VIDEO),
    (0, b"\x1aE\xdf\xa3", Flaw.IS_VIDEO),
    (0, b"OggS", Flaw.IS_SOUND),
    (0, b"ID3", Flaw.IS_SOUND),
    (0, b"\x7fELF", Flaw.IS_ELF),
    (0, b"MZ", Flaw.IS_WINDOWS_PROGRAM),
    (0, b"\xca\xfe\xba\xbe", Flaw.IS_MACOS_OR_JAVA_PROGRAM),
    (0, b"\xcf\xfa\xed\xfe", Flaw.IS_MACOS_PROGRAM),
    (0, b"\x00asm", Flaw.IS_WEBASSEMBLY),
    (0, b"\x89HDF\r\n\x1a\n", Flaw.IS_HDF5),
    (0, b"\x93NUMPY", Flaw.IS_NUMPY),
    (0, b"SQLite format 3\x00", Flaw.IS_SQLITE),
    (0, b"PK\x03\x04", Flaw.IS_ZIP),
    (0, b"PK\x05\x06", Flaw.IS_EMPTY_ZIP),
    (0, b"GGUF", Flaw.IS_GGUF),
    (0, b"lmgg", Flaw.IS_GGML),
    (0, b"tjgg", Flaw.IS_GGML),
)


def empty_or_text(head: bytes, size: int) -> Finding | None:
    """Say which impostor a file is that holds no model at all; None if it is none of them."""
    if size == 0:
        return damaged(Flaw.IS_EMPTY).finding
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    low = start[:64].lower()
    if low.startswith(b"version https://git-lfs"):
        return _pointer(Flaw.IS_GIT_LFS_POINTER, _LFS_SIZE.search(start[:_TEXT_LOOK]))
    if (annex := _ANNEX.match(start[:_TEXT_LOOK])) is not None:
        return _pointer(Flaw.IS_GIT_ANNEX_POINTER, annex)
    flaw = _text(head, low)
    return damaged(flaw).finding if flaw is not None else None


def _text(head: bytes, low: bytes) -> Flaw | None:
    """Say which kind of text a file is; `low` is its begin in small letters."""
    if low.startswith(_PAGES):
        return Flaw.IS_WEB_PAGE
    if low.startswith(b"<?xml"):
        return Flaw.IS_XML
    if low.startswith((b'{"', b"{'", b"[{", b"{\n", b"{\r", b"{ ", b"[]", b"{}")):
        return Flaw.IS_JSON
    if low.startswith(b"#!"):
        return Flaw.IS_SCRIPT
    return Flaw.IS_TEXT if all(byte in _TEXT for byte in head[:_TEXT_LOOK]) else None


def another_kind(head: bytes) -> Finding | None:
    """Say which well-known format that is not looked for here a file has, if it has one."""
    for place, magic, flaw in _KINDS:
        if head.startswith(magic, place):
            return wrong(flaw).finding
    return None


def _pointer(flaw: Flaw, size_line: re.Match[bytes] | None) -> Finding:
    size = int(size_line[1]) if size_line is not None and size_line[1] else ""
    return damaged(flaw, size=size).finding


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
