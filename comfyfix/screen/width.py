"""How wide a text is on a terminal, and how it is cut and broken to a width.

Letters of East Asia and pictures take two columns, marks that are put on a letter none. Where
terminals do not agree (pictures joined of several), a text counts as the widest that it can be.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

ELLIPSIS = "…"
HANG = 2
"""Columns by which the further rows of a line are indented more than the first."""
_LEAST_TEXT = 20
_WORDS = re.compile(r"`[^`]*`[^\s`]*|\S+")


def columns(text: str) -> int:
    """The columns that a text takes, at most."""
    return len(text) if text.isascii() else sum(map(_of, text))


@functools.cache
def _of(letter: str) -> int:
    """The columns of a letter by itself: many terminals draw each part of a joined picture."""
    from rich.cells import get_character_cell_size  # 5 ms that plain names do without

    return 2 if unicodedata.east_asian_width(letter) in "WF" else get_character_cell_size(letter)


def padded(text: str, room: int) -> str:
    """The text with spaces behind it, to this many columns."""
    return text + " " * (room - columns(text))


def cut(text: str, room: int) -> str:
    """Leave out of the middle what has no room: beginning and ending stay to be seen."""
    if columns(text) <= room:
        return text
    if room <= 1:
        return ELLIPSIS[:room]
    ending = _end(text, room * 3 // 5)
    return beginning(text, room - 1 - columns(ending)) + ELLIPSIS + ending


def cut_apart(texts: Sequence[str], room: int) -> list[str]:
    """Cut several texts so that those which differ look different, as far as there is room."""
    shown = [cut(text, room) for text in texts]
    alike: dict[str, list[int]] = {}
    for number, short in enumerate(shown):
        alike.setdefault(short, []).append(number)
    for numbers in alike.values():
        group = sorted({texts[number] for number in numbers})
        later = [_from_difference(text, group) for text in group]
        if len(group) > 1 and sum(map(len, later)) < sum(map(len, group)):
            apart = dict(zip(group, cut_apart(later, room), strict=True))
            for number in numbers:
                shown[number] = apart[texts[number]]
    return shown


def _from_difference(text: str, group: Sequence[str]) -> str:
    """The text from where the sorted group begins to differ, with a letter or two before."""
    pairs = enumerate(zip(group[0], group[-1], strict=False))
    same = next((i for i, (a, b) in pairs if a != b), 0)
    return ELLIPSIS + text[max(0, same - 2) :]


def beginning(text: str, room: int) -> str:
    """As much of the beginning as has room, whole letters with their marks."""
    size = _count(text, room)
    while 0 < size < len(text) and _of(text[size]) == 0:  # its marks would have no letter
        size -= 1
    return text[:size]


def _end(text: str, room: int) -> str:
    """As much of the ending as has room, whole letters with their marks."""
    start = len(text) - _count(text[::-1], room)
    while start < len(text) and _of(text[start]) == 0:
        start += 1
    return text[start:]


def _count(letters: str, room: int) -> int:
    """How many of the letters have room."""
    taken = itertools.accumulate(map(_of, letters))
    return sum(1 for _ in itertools.takewhile(lambda size: size <= room, taken))


def wrapped(line: str, room: int) -> Iterator[str]:
    """Break a line between words; its further rows are indented.

    What stands between backticks is one word where it has room. A name that is longer than a row is
    cut; a command, an address or a path goes over the edge whole, so that it can be copied.
    """
    if columns(line) <= room:
        yield line
        return
    bare = line.lstrip(" ")
    indent = len(line) - len(bare)
    hang = " " * (indent + HANG)
    if len(hang) + _LEAST_TEXT > room:
        hang = ""
    row, holds_text = line[:indent], False
    for gap, word in _words(bare, room - len(hang) - HANG):
        # A mark by itself on a row would tell nothing.
        if holds_text and columns(row) + gap + columns(word) > room:
            yield row
            row = hang + word
        else:
            row += " " * gap + word
        holds_text = holds_text or columns(word) > 1
    yield row


def _words(text: str, room: int) -> Iterator[tuple[int, str]]:
    """The words of a text, each with the spaces before it."""
    end = 0
    for match in _WORDS.finditer(text):
        gap, word = match.start() - end, match.group()
        end = match.end()
        if "`" not in word:
            yield gap, _short(word, room)
        elif columns(word) <= room:
            yield gap, word
        else:
            first, *others = word.split(" ")
            yield gap, first
            yield from ((1, other) for other in others)


def _short(word: str, room: int) -> str:
    copied = "`" in word or "://" in word or word.lstrip("(").startswith(("/", "~/"))
    return word if copied else cut(word, room)
