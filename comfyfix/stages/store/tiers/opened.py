"""What ComfyUI opens in place of a file of the store: the copy that it finds first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.together import Together
from comfyfix.disk.files import regular_stat
from comfyfix.stages.store.sweep import Choice
from comfyfix.state.hashing import identity_of
from comfyfix.state.tier import Copy

_NEVER = -1
"""A time that no file has: a receipt tells what its copy must hold, and not that it holds that."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Finds copies by what they are copies of.

    `hashes` is what our notes tell of them, by path: the sha256 that each had when it was made.
    """

    folders: Folders
    hashes: Mapping[str, str]
    together: Together = field(default_factory=Together)

    def with_copies(self, choices: Iterable[Choice]) -> Iterator[Choice]:
        """The same, and behind each the copy that ComfyUI opens in its place, if it does."""
        for choice in choices:
            copy = self._copy_of(choice)
            if copy is None or not self.folders.is_copy(str(choice.path)):
                yield choice
            if copy is not None:
                yield copy

    def _copy_of(self, choice: Choice) -> Choice | None:
        key, place = choice.model.folder or "", str(choice.path)
        if not self.folders.fast.get(key):
            return None
        directories = map(str, self.folders.directories(key))
        base = next((path for path in directories if place.startswith(f"{path}/")), "")
        unit, path = self._opened(key, choice, place, base) if base else ("", "")
        if not unit or not self.folders.is_copy(unit):
            return None
        info, receipt = regular_stat(path), choice.receipt
        return replace(
            choice,
            path=Path(path),
            receipt=receipt and msgspec.structs.replace(receipt, path=path, mtime_ns=_NEVER),
            size=info.st_size if info else 0,
            identity=identity_of(path, info) if info else path,
            loaded=False,
            unit=unit,
            noted_sha256=self.hashes.get(path, ""),
        )

    def _opened(self, key: str, choice: Choice, place: str, base: str) -> tuple[str, str]:
        """What ComfyUI opens for a file: the file or directory that it belongs to, and itself."""
        if folder := self.together.folder_of(place, base):
            unit = self.folders.opened(key, folder[len(base) + 1 :], directory=True)
            return unit, unit + place[len(folder) :]
        if shards := choice.model.shards:  # the others are sought beside the one that is named
            inside = os.path.dirname(place[len(base) + 1 :])
            first = self.folders.opened(key, os.path.join(inside, os.path.basename(shards[0])))
            path = os.path.join(os.path.dirname(first), os.path.basename(place))
            return os.path.dirname(first) if inside else path, path
        file = self.folders.opened(key, place[len(base) + 1 :])
        return file, file


def noted_hashes(tier: Path, copies: Iterable[Copy]) -> dict[str, str]:
    """The sha256 that each file of copies had when it was made, by path."""
    return {
        str(tier / copy.path / member.path): member.sha256
        for copy in copies
        for member in copy.files
    }
