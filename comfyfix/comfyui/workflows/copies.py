"""Copies of workflows that were changed: named after their original, and no workflows beside it.

Whoever takes the original away has made the copy the workflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from comfyfix.disk import looked

ENDING = ".json"
Kind = Literal["relinked", "comfyfix"]
"""What stands in the name of a copy: put right by `relink`, or completed by `embed`."""
_COPY = re.compile(r"^(.+)\.(relinked|comfyfix)(-\d+)?\.json$", re.IGNORECASE)
_MOST = 1000


def names(path: str, kind: Kind) -> Iterator[str]:
    """The paths that a copy of a workflow may have, the first choice first."""
    stem, ending = (path[: -len(ENDING)], path[-len(ENDING) :])
    if ending.lower() != ENDING:
        stem = path
    yield f"{stem}.{kind}{ENDING}"
    yield from (f"{stem}.{kind}-{number}{ENDING}" for number in range(2, _MOST))


def is_copy(path: str) -> bool:
    """Tell a copy whose original lies beside it."""
    folder, _, name = path.rpartition("/")
    match = _COPY.match(name)
    return match is not None and looked.is_file(f"{folder}/{match[1]}{ENDING}")
