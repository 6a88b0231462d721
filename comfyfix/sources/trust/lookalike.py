"""Publishers whose names are made to be taken for a well-known one."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from comfyfix.file_names import difference

EDITED = 5  # letters; shorter names are often one letter apart by chance
_PAIR = 2  # letters that have changed places
ADORNED = 5  # letters; a shorter one is the beginning of too many words
# Letters that look alike in the fonts of terminals and web pages, folded into one.
_ALIKE = str.maketrans(
    {"0": "o", "1": "l", "i": "l", "j": "l", "5": "s", "8": "b", "6": "b", "9": "g", "q": "g",
     "2": "z", "3": "e", "4": "a", "7": "t", "-": None, "_": None, ".": None}
)  # fmt: skip
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
# What is put before or after a name to make it look like the owner's second account.
_ADORNMENTS = frozenset(
    {
        *("official", "offical", "real", "the", "team", "org", "hf", "hub", "huggingface", "ai"),
        *("model", "models", "weights", "files", "download", "downloads", "mirror", "backup"),
        *("repo", "repos", "new", "main", "inc", "co", "dev", "lab", "labs", "comfy", "comfyui"),
        *("safetensors", "release", "releases", "verified", "original", "x", "s"),
    }
)


def imitated(owner: str, known: Iterable[str]) -> str:
    """The known publisher that a name could be taken for; empty if there is none.

    A known publisher imitates nobody. Upper and lower case are one: the Hub does not tell them
    apart either.
    """
    names = tuple(known)
    name = owner.casefold()
    if any(name == other.casefold() for other in names):
        return ""
    return next((other for other in names if _like(name, other.casefold())), "")


def _like(name: str, known: str) -> bool:
    bones, known_bones = _bones(name), _bones(known)
    if bones == known_bones:
        return True
    # By letters, too: one that is changed may make a pair that looks like a third.
    pairs = ((bones, known_bones), (name, known))
    if any(len(theirs) >= EDITED and _one_edit(ours, theirs) for ours, theirs in pairs):
        return True
    return len(known) >= ADORNED and _adorned(name, known)


@functools.cache
def _bones(name: str) -> str:
    """What is left of a name when letters that look alike are one, and separators none."""
    for pair, letter in _PAIRS:
        name = name.replace(pair, letter)
    return name.translate(_ALIKE)


def _one_edit(one: str, other: str) -> bool:
    """Tell whether one letter changed, put in, left out, or swapped with the next makes both."""
    _, ours, theirs = difference(one, other)
    most = max(len(ours), len(theirs))
    return most <= 1 or (most == _PAIR and ours == theirs[::-1])


def _adorned(name: str, known: str) -> bool:
    """Tell whether a name is a known one with nothing but such words around it."""
    bare, bare_known = (re.sub(r"[-_.]", "", text) for text in (name, known))
    before, inside, after = bare.partition(bare_known)
    return bool(inside) and all(_only_adornments(part) for part in (before, after))


def _only_adornments(text: str) -> bool:
    text = re.sub(r"\d+$", "", text)
    return not text or any(
        text.startswith(word) and _only_adornments(text[len(word) :]) for word in _ADORNMENTS
    )
