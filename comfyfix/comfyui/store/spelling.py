"""Names that are nearly the same: in other case, with other separators, one letter off.

A digit is never a slip of the finger: `v1` and `v2`, `fp8` and `fp16` are different models. Nor is
a letter of a short word: `i2v` and `t2v`, `clip_l` and `clip_g`, `q4_k_m` and `q4_k_s` are, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from comfyfix.file_names import difference

WORD_MIN = 6  # letters of the longer one of two words; in shorter ones a letter makes a variant
_WORD = re.compile(r"[^\W\d_]{5,}")  # the shorter one
# Sizes are told by last letters: sdx, sdxl, sdxxl; vits, vitb, vitl.
_SIZE = re.compile(r"(x+l?|vit[a-z])$")


def slots(stem: str) -> Iterator[str]:
    """The keys that a plain stem is kept under, so that `near_slots` of its neighbours meet them.

    A slip of one letter leaves one half of its word as it is, and all the rest of the name.
    """
    for before, word, after in _words(stem):
        yield from _halves(before, after, len(word), word[: len(word) // 2], word[len(word) // 2 :])


def near_slots(stem: str) -> Iterator[str]:
    """The keys under which every stem lies that is one letter off (and others that are not)."""
    for before, word, after in _words(stem):
        for length in (len(word) - 1, len(word), len(word) + 1):
            half = length // 2
            yield from _halves(
                before, after, length, word[:half], word[len(word) - length + half :]
            )


def one_letter_off(stem: str, other: str) -> bool:
    """Tell whether two plain stems differ by one letter, added, left out or replaced, in a word."""
    if abs(len(stem) - len(other)) > 1 or stem == other:
        return False
    start, *letters = difference(stem, other)
    if max(map(len, letters)) > 1:
        return False
    ours, theirs = _word_at(stem, start), _word_at(other, start)
    if max(len(ours), len(theirs)) < WORD_MIN or ours[:1] != theirs[:1]:
        return False
    if len(stem) - len(ours) != len(other) - len(theirs):
        return False  # what was put in is no letter, and made two words of one
    sizes = _SIZE.search(ours), _SIZE.search(theirs)
    return not all(sizes)


def _words(stem: str) -> Iterator[tuple[str, str, str]]:
    for match in _WORD.finditer(stem):
        yield stem[: match.start()], match.group(), stem[match.end() :]


def _halves(before: str, after: str, length: int, first: str, last: str) -> tuple[str, str]:
    return f"{before}\0{first}\0{length}\0{after}", f"{before}\1{last}\1{length}\1{after}"


def _word_at(stem: str, place: int) -> str:
    """The run of letters around a place, or that ends there."""
    start = end = place
    while start and stem[start - 1].isalpha():
        start -= 1
    while end < len(stem) and stem[end].isalpha():
        end += 1
    return stem[start:end]
