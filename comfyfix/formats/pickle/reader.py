"""The arguments of a pickle's instructions.

As Python's own readers take them, in C and in Python. Where the two differ, or where one would stop
and the other go on, reading goes on: what follows may be meant for the one that does.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

from comfyfix.formats.finding import Refused, damaged, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle.kinds import BUFFER, FLOAT, LONG, RAW, TYPE_CODE, UNREAD, WORDS
from comfyfix.formats.pickle.source import ANY_SIZE, LINE_MAX, VALUE_MAX, Source

NAME_MAX = 100  # characters of a text that is kept as it is
LONG_MAX = 64  # bytes of an integer that is kept
PROTOCOL_MAX = 5
_OCTAL = re.compile(rb"[+-]?0[0-7]+")
_DIGITS_MAX = 4000  # of a number; Python itself takes no more than 4300
Read = Callable[[Source], Any]


def kept(text: str) -> Any:
    """Return what stands for a text."""
    if len(text) <= NAME_MAX:
        return text
    return UNREAD if text.startswith("__") else WORDS


def _number(width: int) -> Read:
    return lambda source: source.number(width)


def _signed(source: Source) -> int:
    return int.from_bytes(source.take(4), "little", signed=True)


def _float(source: Source) -> Any:
    source.skip(8)
    return FLOAT


def _length(source: Source, width: int) -> int:
    length = source.number(width)
    if VALUE_MAX < length <= source.left < ANY_SIZE // 2:
        raise unsafe(Flaw.PICKLE_LONG_VALUE, count=length)
    return length


def _data(width: int, value: Any) -> Read:
    def read(source: Source) -> Any:
        source.skip(_length(source, width))
        return value

    return read


def _short_bytes(source: Source) -> Any:
    data = source.take(source.byte())
    return TYPE_CODE if data == b"b" else RAW


def _text(width: int, *, old: bool = False) -> Read:
    """A text; `old`: of Python 2, whose encoding is the reader's to choose."""

    def read(source: Source) -> Any:
        length = _length(source, width)
        if length > 4 * NAME_MAX:
            begin = source.take(2)
            source.skip(length - 2)
            return UNREAD if begin == b"__" else WORDS
        return decoded(source, source.take(length), old=old)

    return read


def decoded(source: Source, data: bytes, *, old: bool = False) -> Any:
    """Return what stands for the text of these bytes."""
    try:
        return kept(data.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        if not old:
            raise _none(source, Flaw.PICKLE_NO_TEXT) from None
        return UNREAD


def _long(width: int) -> Read:
    def read(source: Source) -> Any:
        length = _length(source, width)
        if length > LONG_MAX:
            source.skip(length)
            return LONG
        return int.from_bytes(source.take(length), "little", signed=True)

    return read


def _number_line(source: Source) -> bytes:
    """Take a number that is written as text; Python's reader in C ends it at a NUL."""
    return source.line().partition(b"\0")[0].strip()


def _line_number(source: Source) -> Any:
    """I and L: `00` and `01` are truth values, and Python takes 0x10 and 1_000 as well."""
    digits = _number_line(source)
    if digits in (b"00", b"01"):
        return digits == b"01"
    try:
        return LONG if len(digits) > LONG_MAX else int(digits.removesuffix(b"L"), 0)
    except ValueError:
        if _OCTAL.fullmatch(digits):  # Python's reader in C knows them as C does
            source.complain(Flaw.PICKLE_OCTAL)
            return LONG
        raise _none(source, Flaw.PICKLE_NO_NUMBER) from None


def memo_number(source: Source) -> int:
    """Take the number of a PUT or GET that is written as text. Raises Refused."""
    line = source.line()
    digits, nul, _ = line.partition(b"\0")
    try:
        number = int(digits) if len(digits) <= _DIGITS_MAX else -1
    except ValueError:
        raise _none(source, Flaw.PICKLE_NO_NUMBER) from None
    if nul or number < 0:
        raise unsafe(Flaw.PICKLE_ODD_NUMBER)
    return number


def _line_float(source: Source) -> Any:
    digits = _number_line(source)
    try:
        float(digits if len(digits) <= LONG_MAX else "0")
    except ValueError:
        raise _none(source, Flaw.PICKLE_NO_NUMBER) from None
    return FLOAT


def _line_quoted(source: Source) -> Any:
    line = source.line()
    if len(line) == LINE_MAX:  # its end was left out
        return UNREAD
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\"":  # noqa: PLR2004 - quotes
        raise _none(source, Flaw.PICKLE_NO_QUOTED_TEXT)
    try:
        return decoded(source, codecs.escape_decode(line[1:-1])[0], old=True)
    except ValueError:
        raise _none(source, Flaw.PICKLE_NO_TEXT) from None


def _line_escaped(source: Source) -> Any:
    line = source.line()
    if len(line) == LINE_MAX:  # its end was left out
        return UNREAD
    try:
        return kept(line.decode("raw-unicode-escape"))
    except UnicodeDecodeError:
        raise _none(source, Flaw.PICKLE_NO_TEXT) from None


def _none(source: Source, flaw: Flaw) -> Refused:
    """Return the end of a reading at what each reader stops at, to be raised."""
    return damaged(flaw, place=source.start + source.at)


NUMBERS: dict[int, Read] = {
    **dict.fromkeys(b"IL", _line_number),
    ord("J"): _signed,
    ord("K"): Source.byte,
    ord("M"): _number(2),
    0x8A: _long(1),
    0x8B: _long(4),
}
TEXTS: dict[int, Read] = {
    ord("S"): _line_quoted,
    ord("V"): _line_escaped,
    ord("U"): _text(1, old=True),
    ord("T"): _text(4, old=True),
    0x8C: _text(1),
    ord("X"): _text(4),
    0x8D: _text(8),
}
OTHERS: dict[int, Read] = {
    ord("F"): _line_float,
    ord("G"): _float,
    ord("C"): _short_bytes,
    ord("B"): _data(4, RAW),
    0x8E: _data(8, RAW),
    0x96: _data(8, BUFFER),
}
CONSTANTS: dict[int, Any] = {ord("N"): None, 0x88: True, 0x89: False}
"""Instruction → how to read the value that it puts on the stack."""


def name_line(source: Source) -> str:
    """Take one of the two lines of GLOBAL and INST."""
    line = source.line()
    try:
        return line.decode() if len(line) < LINE_MAX else line.decode("utf-8", "replace")
    except UnicodeDecodeError:
        raise _none(source, Flaw.PICKLE_NO_NAME) from None


def protocol(source: Source) -> int:
    """Take the argument of PROTO."""
    version = source.byte()
    if version > PROTOCOL_MAX:
        raise damaged(Flaw.PICKLE_PROTOCOL_UNKNOWN, protocol=version)
    return version


def frame(source: Source) -> None:
    """Take the argument of FRAME. Python's reader in C stops at one that leads beyond the end."""
    length = source.number(8)
    source.open_frame(length)
    if length > source.left:
        source.complain(Flaw.PICKLE_FRAME_BEYOND)


MEMO_NUMBERS: dict[int, Read] = {
    **dict.fromkeys(b"pg", memo_number),
    **dict.fromkeys(b"qh", Source.byte),
    **dict.fromkeys(b"rj", _number(4)),
}
"""PUT and GET and their kin → how to read their number."""
