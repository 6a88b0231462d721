"""Copies of workflows that were put right: named after their original, and no workflows beside it.

Whoever takes the original away has made the copy the workflow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

ENDING = ".json"
_COPY = re.compile(r"^(.+)\.relinked(-\d+)?\.json$", re.IGNORECASE)


def names(path: str) -> Iterator[str]:
    """The paths that a copy of a workflow may have, the first choice first."""
    stem = path[: -len(ENDING)]
    yield f"{stem}.relinked{ENDING}"
    yield from (f"{stem}.relinked-{number}{ENDING}" for number in range(2, 1000))


def is_copy(path: str) -> bool:
    """Tell a copy whose original lies beside it."""
    folder, _, name = path.rpartition("/")
    match = _COPY.match(name)
    return bool(match) and os.path.isfile(f"{folder}/{match.group(1) if match else ''}{ENDING}")
