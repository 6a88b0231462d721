"""How far a download is: the scripts are not asked, their part file tells."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from comfyfix.disk import regular


class Part:
    """The part file of a model that is to be at `path`; found anew when it has gone."""

    def __init__(self, path: Path) -> None:
        self._wanted = f"{glob.escape(str(path))}.*.part"
        self._found = ""

    def arrived(self) -> int:
        """Bytes that are there."""
        try:
            return _written(self._found) if self._found or self._find() else 0
        except OSError:
            self._found = ""
            return 0

    def _find(self) -> bool:
        self._found = next(iter(glob.glob(self._wanted)), "")  # absolute
        return bool(self._found)


def _written(part: str) -> int:
    """Bytes of a part file that are there. Raises OSError when the part is not.

    Where several connections write to it, a list beside it tells their ranges.
    """
    size = os.stat(part).st_size  # a glob's answer
    try:
        told = regular.text(Path(part).with_suffix(".have"), encoding="ascii").splitlines()
        ranges = [line.split() for line in told if line[:1].isdigit()]
        return sum(int(end) - int(start) for start, end in ranges)
    except (OSError, ValueError):  # none is kept, or it is just being replaced
        return size
