"""The instructions of a pickle, read one by one and never carried out.

All of protocol 0 to 5. Arguments that are only data are passed over, so that a gigabyte of
numbers inside costs nothing; text is kept as far as it can be the name of something.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator

from comfyfix.formats.finding import damaged, unsafe
from comfyfix.formats.window import Window

INSTRUCTIONS_MAX = 3_000_000  # a checkpoint of ten thousand tensors has half a million
PROTOCOL_MAX = 5
TEXT_MAX = 4096  # bytes of a text that is kept
VALUE_MAX = 128_000_000  # bytes of one value inside the pickle itself
LONG_MAX = 64  # bytes of an integer that is kept
Argument = str | int | tuple[str, str] | None
_Read = Callable[[Window], Argument]


def instructions(window: Window) -> Iterator[tuple[int, int, Argument]]:
    """Yield place, instruction and argument up to the STOP, which is the last. Raises Refused."""
    for _ in range(INSTRUCTIONS_MAX):
        place = window.start + window.at
        code = window.take(1, "the pickle")[0]
        read = _READ.get(code)
        if read is None:
            raise damaged(f"byte {place} is no instruction of a pickle")
        yield place, code, read(window)
        if code == STOP:
            return
    raise unsafe(f"its pickle has more than {INSTRUCTIONS_MAX} instructions, too many to look at")


def _nothing(_: Window) -> Argument:
    return None


def _number(width: int) -> _Read:
    return lambda window: window.number(width)


def _signed(window: Window) -> Argument:
    return int.from_bytes(window.take(4), "little", signed=True)


def _past(width: int) -> _Read:
    def read(window: Window) -> Argument:
        window.skip(width)
        return None

    return read


def _length(window: Window, width: int) -> int:
    length = window.number(width)
    if length > VALUE_MAX:
        raise unsafe(f"its pickle holds a value of {length} bytes, too large to look at")
    return length


def _data(width: int) -> _Read:
    def read(window: Window) -> Argument:
        window.skip(_length(window, width), "a value")
        return None

    return read


def _text(width: int) -> _Read:
    def read(window: Window) -> Argument:
        length = _length(window, width)
        if length > TEXT_MAX:
            window.skip(length, "a text")
            return None
        return window.take(length, "a text").decode("utf-8", "backslashreplace")

    return read


def _long(width: int) -> _Read:
    def read(window: Window) -> Argument:
        length = _length(window, width)
        if length > LONG_MAX:
            window.skip(length, "a number")
            return None
        return int.from_bytes(window.take(length, "a number"), "little", signed=True)

    return read


def _line(window: Window) -> str:
    return window.line(TEXT_MAX).decode("utf-8", "backslashreplace")


def _line_past(window: Window) -> Argument:
    window.line(VALUE_MAX)
    return None


def _line_number(window: Window) -> Argument:
    line = _line(window).removesuffix("L")
    try:
        return int(line)
    except ValueError:
        raise damaged(f"its pickle has no number before byte {window.start + window.at}") from None


def _line_quoted(window: Window) -> Argument:
    line = window.line(VALUE_MAX).strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\"":  # noqa: PLR2004 - quotes
        raise damaged(f"its pickle has no quoted text before byte {window.start + window.at}")
    try:
        return codecs.escape_decode(line[1:-1])[0].decode("utf-8", "backslashreplace")
    except ValueError:
        raise damaged(
            f"its pickle has a broken text before byte {window.start + window.at}"
        ) from None


def _line_escaped(window: Window) -> Argument:
    try:
        return window.line(VALUE_MAX).decode("raw-unicode-escape")
    except UnicodeDecodeError:
        raise damaged(
            f"its pickle has a broken text before byte {window.start + window.at}"
        ) from None


def _two_lines(window: Window) -> Argument:
    return _line(window), _line(window)


def _protocol(window: Window) -> Argument:
    told = window.number(1)
    if told > PROTOCOL_MAX:
        raise damaged(f"its pickle is of protocol {told}, which does not exist")
    return None


def _frame(window: Window) -> Argument:
    window.need(window.number(8), "a frame")
    return None


STOP = ord(".")
_READ: dict[int, _Read] = {
    **dict.fromkeys(b"(.012NQRabdelostu)]}", _nothing),
    **dict.fromkeys(b"\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98", _nothing),
    **dict.fromkeys(b"IL", _line_number),
    **dict.fromkeys(b"gp", _line_number),
    **dict.fromkeys(b"ci", _two_lines),
    **dict.fromkeys(b"Khq\x82", _number(1)),
    **dict.fromkeys(b"M\x83", _number(2)),
    **dict.fromkeys(b"jr\x84", _number(4)),
    **dict.fromkeys(b"U\x8c", _text(1)),
    **dict.fromkeys(b"TX", _text(4)),
    ord("F"): _line_past,
    ord("J"): _signed,
    ord("P"): _line,
    ord("S"): _line_quoted,
    ord("V"): _line_escaped,
    ord("G"): _past(8),
    ord("C"): _data(1),
    ord("B"): _data(4),
    0x80: _protocol,
    0x8A: _long(1),
    0x8B: _long(4),
    0x8D: _text(8),
    0x8E: _data(8),
    0x95: _frame,
    0x96: _data(8),
}
