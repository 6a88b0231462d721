"""Sizes and rates as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?\s*$")
SIZE_MAX = 1 << 60  # bytes
_RATE = re.compile(r"^\s*(\d{1,9}(?:\.\d{1,9})?)\s*([kKMG]?)(i?)(B|bit)/s\s*$")
RATE_MIN = 50_000
"""Bytes a second: below that a script takes a connection for one that brings nothing."""


def size_in_bytes(text: int | str) -> int:
    """`2GB`, `500 MiB` or a number of bytes. Raises ValueError, and OverflowError."""
    if type(text) is int and text >= 0:
        size: float = text
    else:
        match = _SIZE.match(str(text))
        if not match:
            raise ValueError(text)
        number, prefix, binary = match.groups()
        base = 1024 if binary else 1000
        size = float(number) * base ** " KMGT".index(prefix.upper() or " ")
    if size > SIZE_MAX:
        raise OverflowError(text)
    return int(size)


def rate_in_bytes(text: int | str) -> int:
    """`20MB/s`, `160 Mbit/s`, or a number of bytes a second.

    Raises ValueError, and OverflowError for less than a download can go on with.
    """
    match = _RATE.match(str(text))
    if type(text) is int:
        rate = text
    elif match:
        number, prefix, binary, unit = match.groups()
        rate = size_in_bytes(f"{number}{prefix}{binary}") // (8 if unit == "bit" else 1)
    else:
        raise ValueError(text)
    if rate < RATE_MIN:
        raise OverflowError(text)
    return rate
