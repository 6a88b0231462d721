"""Whether a place is on a disk that is there: links that lead to nowhere, on the way or at its end.

A disk that is not mounted leaves the links to it dangling. What is behind them is neither absent
nor damaged, and must not be fetched to another disk in its place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dangling:
    """A link, and where it leads to, which is not there."""

    link: str
    target: str


def dangling(path: str) -> Dangling | None:
    """Return the first link on the way to a path that leads to nowhere, if there is one."""
    if os.path.exists(path):
        return None
    at = ""
    for part in path.strip("/").split("/"):
        at = f"{at}/{part}"
        if not os.path.lexists(at):
            return None  # simply not there
        if not os.path.exists(at):
            try:
                return Dangling(at, os.readlink(at))
            except OSError:
                return None
    return None
