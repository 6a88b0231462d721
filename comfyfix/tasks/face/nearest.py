"""What a mistaken name may have meant."""

from __future__ import annotations

import os
from collections.abc import Iterable

from comfyfix.endings import stem
from comfyfix.errors import SetupProblem
from comfyfix.net.urls.origin import is_address
from comfyfix.records import because
from comfyfix.why import Why

SHOWN = 3
_LIKE = 0.6
_PART = 3  # letters that are enough to look for names that hold them


def unknown(name: str, names: Iterable[str]) -> SetupProblem:
    """Return the problem of a name that no command and no task has; `names` are all of them."""
    if is_address(name) or os.path.isfile(name):
        return SetupProblem(Why.TASK_IS_WORKFLOW, name=name)
    names = list(names)
    # Tasks are called by the stems of files.
    near = nearest(name, names) or nearest(name.rpartition(".")[0], names)
    return SetupProblem(Why.TASK_UNKNOWN, name=name, near=near or because(Why.NONE_IS_LIKE_IT))


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return those names that a mistaken name or pattern may have meant, the likeliest first.

    What stands before the last colon is no part of the likeness, nor is the ending of a model file
    in what was meant: people leave the one out, and tasks bear no ending.
    """
    bare = stem(name.replace("*", "").lower().rpartition(":")[2])
    last_parts = {known: known.rpartition(":")[2].lower() for known in names}
    holding = [known for known, last in last_parts.items() if len(bare) >= _PART and bare in last]
    if holding:
        return holding[:SHOWN]
    import difflib  # for a mistake only

    stems: dict[str, str] = {}
    for known, last in last_parts.items():
        stems.setdefault(stem(last), known)
    return [stems[s] for s in difflib.get_close_matches(bare, stems, n=SHOWN, cutoff=_LIKE)]
