"""Packed pickles: joblib packs them with zlib, gzip, bz2, xz, lzma or lz4, under any name."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from comfyfix.formats.finding import damaged, unsafe
from comfyfix.formats.flaws import Flaw

UNPACKED_MAX = 256_000_000  # bytes
CHUNK = 1 << 12
_HEADER_MAX = 64  # bytes that a few letters may take for the begin of something packed
_OLD_JOBLIB = re.compile(rb"ZF\s*[+-]?(0[xX])?[0-9a-fA-F_]")


class Unpacked(io.RawIOBase):
    """What a packed file holds, read forward only. Raises Refused where it can't be unpacked."""

    def __init__(
        self,
        stream: BinaryIO,
        begin: Callable[[], Any],
        errors: tuple[type[Exception], ...],
    ) -> None:
        super().__init__()
        self._stream = stream
        self._begin = begin
        self._errors = errors
        self._unpacker = begin()
        self._ready = b""
        self._given = 0
        self._begun = False

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be passed over."""
        return True

    def read(self, count: int = -1) -> bytes:
        """Return so many bytes, fewer only at the end."""
        parts = [self._ready]
        length = len(self._ready)
        while length < count and (part := self._next(count - length)):
            parts.append(part)
            length += len(part)
        data = b"".join(parts)
        self._ready = data[count:]
        self._given += min(count, len(data))
        if self._given > UNPACKED_MAX:
            raise unsafe(Flaw.PACKED_UNPACKS_TO_TOO_MUCH)
        return data[:count]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Pass over bytes from where it stands, or begin anew."""
        if whence == 0 and offset == 0:
            self._stream.seek(0)
            self._unpacker, self._ready, self._given = self._begin(), b"", 0
        elif whence != 1 or offset < 0:
            raise io.UnsupportedOperation
        while offset > 0 and (part := self.read(min(offset, CHUNK))):
            offset -= len(part)
        return self._given

    def _next(self, count: int) -> bytes:
        """Unpack some more; packed files may follow one another."""
        data = b""
        try:
            while not data:
                if self._unpacker.eof:
                    fed = self._unpacker.unused_data or self._stream.read(CHUNK)
                    if not fed.strip(b"\0"):
                        break
                    self._unpacker = self._begin()
                else:
                    fed = self._input()
                data = self._unpacker.decompress(fed, min(count, CHUNK))
                self._begun = self._begun or bool(data) or len(fed) > _HEADER_MAX
                if not data and not fed:
                    break
        except self._errors:
            if self._begun:  # what came out with the damage is lost, and another may have read it
                raise unsafe(Flaw.PACKED_DAMAGED_LATER) from None
            raise damaged(Flaw.PACKED_DAMAGED) from None
        return data

    def _input(self) -> bytes:
        """What the unpacker is fed next: nothing while it has enough."""
        if not getattr(self._unpacker, "needs_input", True):
            return b""
        return getattr(self._unpacker, "unconsumed_tail", b"") or self._stream.read(CHUNK)


def _lz4() -> Any:
    import lz4.frame  # rare, and only for such files

    return lz4.frame.LZ4FrameDecompressor()


_Packing = tuple[Callable[[], Any], tuple[type[Exception], ...]]
_PACKINGS: tuple[tuple[bytes, _Packing], ...] = (
    (b"\x78", (zlib.decompressobj, (zlib.error,))),
    (b"\x1f\x8b", (lambda: zlib.decompressobj(31), (zlib.error,))),
    (b"BZ", (bz2.BZ2Decompressor, (OSError, ValueError))),
    (b"\xfd7zXZ", (lzma.LZMADecompressor, (lzma.LZMAError,))),
    (b"\x5d\x00", (lzma.LZMADecompressor, (lzma.LZMAError,))),
    (b"\x04\x22\x4d\x18", (_lz4, (RuntimeError, EOFError))),
)


def opened(stream: BinaryIO, head: bytes) -> BinaryIO | None:
    """Return what the file holds if it is packed, None if it is not."""
    for magic, (begin, errors) in _PACKINGS:
        if head.startswith(magic):
            stream.seek(0)
            return cast("BinaryIO", Unpacked(stream, begin, errors))
    return None


def is_old_joblib(head: bytes) -> bool:
    """Tell a file of joblib below 0.9.3: `ZF`, the length in hexadecimal, then zlib."""
    return _OLD_JOBLIB.match(head) is not None
