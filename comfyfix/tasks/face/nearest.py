"""What a mistaken name may have meant."""

from __future__ import annotations

import os
from collections.abc import Iterable

from comfyfix.endings import stem
from comfyfix.errors import SetupProblem
from comfyfix.net.origin import is_address
from comfyfix.records import because
from comfyfix.why import Why

SHOWN = 3
_LIKE = 0.6
_PART = 3  # letters that are enough to look for names that hold them


def unknown(name: str, known: Iterable[str]) -> SetupProblem:
    """Return the problem of a name that no command and no task has."""
    if is_address(name) or os.path.isfile(name):
        return SetupProblem(Why.TASK_IS_WORKFLOW, name=name)
    names = list(known)
    # Tasks are called by the stems of files.
    near = nearest(name, names) or nearest(name.rpartition(".")[0], names)
    return SetupProblem(Why.TASK_UNKNOWN, name=name, near=near or because(Why.NONE_IS_LIKE_IT))


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that a mistaken name or pattern may have meant, the likeliest first.

    What stands before the last colon is no part of the likeness, nor is the ending of a model file
    in what was meant: people leave the one out, and tasks bear no ending.
    """
    names = list(dict.fromkeys(known))
    bare = stem(name.replace("*", "").lower().rpartition(":")[2])
    holding = [
        item for item in names if len(bare) >= _PART and bare in item.rpartition(":")[2].lower()
    ]
    if holding:
        return holding[:SHOWN]
    import difflib  # for a mistake only

    parts: dict[str, str] = {}
    for item in names:
        parts.setdefault(stem(item.rpartition(":")[2].lower()), item)
    found = difflib.get_close_matches(bare, parts, n=SHOWN, cutoff=_LIKE)
    return [parts[part] for part in found]
