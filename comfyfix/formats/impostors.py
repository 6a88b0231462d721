"""Files that are no model at all: a login page, an error answer, a pointer, nothing."""

from __future__ import annotations

_TEXT = frozenset(b"\t\n\r\f" + bytes(range(0x20, 0x7F)))
_TEXT_LOOK = 512


def problem(head: bytes, size: int) -> str:
    """Say which impostor a file is by its first bytes; empty if it is none of them."""
    if size == 0:
        return "it is empty"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file itself"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<script")):
        return "it is a web page"
    if start.startswith((b'{"', b"{'", b"[{", b"{\n", b"{ ")):
        return "it is JSON, perhaps an error message"
    if all(byte in _TEXT for byte in head[:_TEXT_LOOK]):
        return "it is plain text"
    return ""
