"""Fitting: which of the models that were found there is room for, disk by disk."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from comfyfix.disk.files import regular_stat
from comfyfix.disk.room import disk_of, taken_by_parts
from comfyfix.records import Record
from comfyfix.stages.needs.work import Pending, Planned

_THERE = (Pending.UNVERIFIED, Pending.SEARCH_AGAIN)


@dataclass(frozen=True, slots=True)
class Space:
    """What one model still takes: bytes, and the disk that they go to; None: nobody knows which."""

    key: str
    size: int
    device: int | None
    workflows: tuple[str, ...] = ()


@dataclass
class Room:
    """The bytes of each disk that may be written; a disk that is not told of has no end.

    Safe to use from several threads.
    """

    bytes: dict[int, int]
    _with_room: set[str] = field(default_factory=set)
    _taken: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, space: Space) -> bool:
        """Keep room for a model; False where there is none left. One that has its room keeps it."""
        with self._lock:
            if space.key in self._with_room:
                return True
            left = self.left(space)
            if left is not None and space.size > left:
                return False
            self._with_room.add(space.key)
            if space.device is not None:
                self._taken[space.device] += space.size
            return True

    def left(self, space: Space) -> int | None:
        """The bytes that nothing is kept for on the disk of a model; None: no end is known."""
        if space.device is None or space.device not in self.bytes:
            return None
        return self.bytes[space.device] - self._taken[space.device]


def space_of(planned: Planned, record: Record) -> Space:
    """What a model still takes of its disk; looks at what is there of it already."""
    disk = disk_of(planned.path)
    size = 0 if record.local and not record.lent else _missing(planned, record)
    return Space(planned.model.key, size, disk.device if disk else None, planned.workflows)


def _missing(planned: Planned, record: Record) -> int:
    if planned.pending in _THERE and not planned.is_whole:
        return 0
    return sum(_of_file(member) for member in record.members)


def _of_file(member: Record) -> int:
    size = member.size or 0
    there = regular_stat(member.destination)
    if there and there.st_size == size:
        return 0
    return max(0, size - taken_by_parts(member.destination))


def room_for(paths: Iterable[Path], reserve: int) -> dict[int, int]:
    """The bytes that may be written on the disks of some paths; `reserve` is left alone on each."""
    disks = {disk.device: disk.free for path in paths if (disk := disk_of(path))}
    return {device: max(0, free - reserve) for device, free in disks.items()}


def fitting(spaces: Sequence[Space], room: Mapping[int, int]) -> frozenset[str]:
    """The models that there is room for.

    Whole workflows first, those that take least before others, since half a workflow is of no use;
    then the smallest of what is left.
    """
    left = dict(room)
    fits: set[str] = set()

    def take(group: Iterable[Space]) -> None:
        new = [space for space in group if space.key not in fits]
        sizes: Counter[int] = Counter()
        for space in new:
            if space.device in left:
                sizes[space.device] += space.size
        if all(left[device] >= size for device, size in sizes.items()):
            fits.update(space.key for space in new)
            left.update({device: left[device] - size for device, size in sizes.items()})

    groups: dict[str, list[Space]] = defaultdict(list)
    for space in spaces:
        for workflow in space.workflows:
            groups[workflow].append(space)
    for group in sorted(groups.values(), key=lambda group: sum(space.size for space in group)):
        take(group)
    for space in sorted(spaces, key=lambda space: space.size):
        take([space])
    return frozenset(fits)
