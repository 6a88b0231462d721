"""What lies in a folder and belongs together: a repository with its settings beside the weights.

Whoever reads one opens its files one after the other, from the folder that is found first.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

_OF_A_DIRECTORY = ("config.json", "model_index.json")


@dataclass(frozen=True, slots=True)
class Together:
    """Tells which folder a file belongs to. `named` are those that something reads as one."""

    named: Container[str] = frozenset()
    _marked: dict[str, bool] = field(default_factory=dict)

    def folder_of(self, place: str, base: str) -> str:
        """The topmost folder below `base` that holds a place and is one; empty for none."""
        folder = base
        for part in place.removeprefix(f"{base}/").split("/")[:-1]:
            folder = f"{folder}/{part}"
            if folder in self.named or self.is_marked(folder):
                return folder
        return ""

    def is_marked(self, folder: str) -> bool:
        """Tell whether a folder holds what repositories have beside their weights."""
        if folder not in self._marked:
            try:
                names = os.listdir(folder)
            except OSError:
                return True
            self._marked[folder] = any(
                name in _OF_A_DIRECTORY or name.endswith(".index.json") for name in names
            )
        return self._marked[folder]


def folders_above(path: str) -> Iterator[str]:
    """The folders in which a place lies, the innermost first; `/` and `.` are none."""
    while path := path.rpartition("/")[0]:
        yield path
