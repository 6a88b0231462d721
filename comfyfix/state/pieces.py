"""Pieces: a long file is made of rows, and rows that are made of what they were are not made again.

Of each row is kept what it was made of and how long it was; its text is taken from the file itself,
as long as that is the one which was written. Making all of many thousand takes longer than all else
that a run does; what is kept here costs nothing but time to lose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from comfyfix.disk import json_file
from comfyfix.state.layout import Layout

T = TypeVar("T")
Text: TypeAlias = bytes | memoryview
MARK_BYTES = 16
UNTOLD = bytes(MARK_BYTES)
"""The mark of what can't be told apart: it is made each time."""
AT_ONCE = 256
"""Rows that are held against the old ones in one go."""
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """What rows are of, in their order, and the mark of each; see `mark_of`."""

    items: Sequence[T]
    marks: Sequence[bytes]

    @staticmethod
    def untold(items: Sequence[T]) -> Rows[T]:
        """Rows that are made each time."""
        return Rows(items, [UNTOLD] * len(items))

    def where(self, keep: Callable[[T], bool]) -> Rows[T]:
        """Some of them."""
        kept = [pair for pair in zip(self.items, self.marks, strict=True) if keep(pair[0])]
        return Rows([item for item, _ in kept], [mark for _, mark in kept])

    def by(self, place: Callable[[T], int]) -> Rows[T]:
        """All of them, in another order."""
        ordered = sorted(zip(self.items, self.marks, strict=True), key=lambda pair: place(pair[0]))
        return Rows([item for item, _ in ordered], [mark for _, mark in ordered])


@dataclass(frozen=True, slots=True)
class Section(Generic[T]):
    """A part of a file: what stands before its rows and between two, and what makes one."""

    name: str
    before: bytes
    rows: Rows[T]
    between: bytes
    make: Callable[[T], bytes]


@dataclass(frozen=True, slots=True)
class Form:
    """A whole file; `end` is told all that stands before it."""

    sections: tuple[Section[Any], ...]
    end: Callable[[Sequence[bytes]], bytes]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one section as they were written: where they begin, their marks and lengths."""

    start: int
    marks: bytes
    lengths: list[int]


_NEVER = Past(start=0, marks=b"", lengths=[])


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """The sections of each file, by name; `ground` is what all rows are made of besides."""

    version: Literal[1] = 1
    ground: str
    files: dict[str, dict[str, Past]]


def load(layout: Layout, ground: str) -> dict[str, dict[str, Past]]:
    """The sections of files that were written on the same ground."""
    known = json_file.cached(layout.pieces, Pieces)
    return known.files if known is not None and known.ground == ground else {}


def keep(layout: Layout, ground: str, files: dict[str, dict[str, Past]]) -> None:
    """Keep them for the next run."""
    json_file.keep(layout.pieces, Pieces(ground=ground, files=files))


def mark_of(value: object, *others: bytes) -> bytes:
    """The mark of what JSON can hold, and of `others` that a row is made of; else `UNTOLD`."""
    try:
        encoded = _encoder.encode(value)
    except (TypeError, UnicodeEncodeError):
        return UNTOLD
    if UNTOLD in others:
        return UNTOLD
    return hashlib.blake2b(b"".join((encoded, *others)), digest_size=MARK_BYTES).digest()


def whole(form: Form) -> bytes:
    """Make all of a file."""
    return written(form, b"", {})[0]


def written(form: Form, old: bytes, past: Mapping[str, Past]) -> tuple[bytes, dict[str, Past]]:
    """Make a file; rows that its `old` text has already are taken from there.

    Returns it, and what `past` is for the next time.
    """
    pieces: list[bytes] = []
    made, size = {}, 0
    for section in form.sections:
        before = past.get(section.name)
        fits = before is not None and _fits(section, before, old)
        rows, lengths = _rows(section, old, before if before and fits else _NEVER)
        size += len(section.before)
        marks = b"".join(section.rows.marks)
        made[section.name] = Past(start=size, marks=marks, lengths=lengths)
        pieces += (section.before, section.between.join(rows))
        size += len(pieces[-1])
    return b"".join([*pieces, form.end(pieces)]), made


def _fits(section: Section[T], past: Past, old: bytes) -> bool:
    """Tell whether the rows of a section can lie where they are said to be."""
    count = len(past.lengths)
    gaps = len(section.between) * max(0, count - 1)
    whole_numbers = past.start >= 0 and all(length >= 0 for length in past.lengths)
    inside = past.start + sum(past.lengths) + gaps <= len(old)
    return whole_numbers and inside and len(past.marks) == count * MARK_BYTES


def _rows(section: Section[T], old: bytes, past: Past) -> tuple[list[Text], list[int]]:
    """The rows of a section, neighbours from the old text in one piece; and the length of each."""
    rows, taken = section.rows, _Taken(old, past, len(section.between))
    marks, complete = b"".join(rows.marks), UNTOLD not in rows.marks
    pieces: list[Text] = []
    lengths: list[int] = []
    at = 0
    while at < len(rows.items):
        end = at + AT_ONCE
        if complete and taken.goes_on(marks[at * MARK_BYTES : end * MARK_BYTES]):
            count = min(AT_ONCE, len(rows.items) - at)
            lengths += past.lengths[taken.last - count + 1 : taken.last + 1]
            at += count
            continue
        place = taken.places.get(rows.marks[at], -1)
        if place != taken.last + 1 or place < 0:
            pieces += taken.ended()
        if place < 0:
            pieces.append(section.make(rows.items[at]))
            lengths.append(len(pieces[-1]))
        else:
            taken.take(place)
            lengths.append(past.lengths[place])
        at += 1
    return [*pieces, *taken.ended()], lengths


class _Taken:
    """Rows of an old text, of which some that lie side by side are being taken."""

    def __init__(self, old: bytes, past: Past, gap: int) -> None:
        self._past, self._gap = past, gap
        self._text = memoryview(old)
        self._first = self.last = -1

    @cached_property
    def places(self) -> dict[bytes, int]:
        """Where each row is, by its mark."""
        marks = self._past.marks
        starts = range(0, len(marks), MARK_BYTES)
        known = {marks[at : at + MARK_BYTES]: number for number, at in enumerate(starts)}
        known.pop(UNTOLD, None)
        return known

    @cached_property
    def _starts(self) -> list[int]:
        each = (length + self._gap for length in self._past.lengths)
        return list(accumulate(each, initial=self._past.start))

    def goes_on(self, marks: bytes) -> bool:
        """Take the next rows, if they have these marks."""
        begin = (self.last + 1) * MARK_BYTES
        if self._past.marks[begin : begin + len(marks)] != marks:
            return False
        self._first = max(self._first, 0)
        self.last += len(marks) // MARK_BYTES
        return True

    def take(self, place: int) -> None:
        """Take one row: the next, or the first of others."""
        if self._first < 0:
            self._first = place
        self.last = place

    def ended(self) -> list[Text]:
        """What was taken, in one piece; nothing is taken any more."""
        first, last = self._first, self.last
        self._first = self.last = -1
        if first < 0:
            return []
        end = self._starts[last] + self._past.lengths[last]
        return [self._text[self._starts[first] : end]]
