"""Fitting: which of the models that were found there is room for, disk by disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from comfyfix.disk.files import regular_stat
from comfyfix.disk.room import disk_of, taken_by_parts
from comfyfix.records import Record
from comfyfix.stages.needs.work import Pending, Planned

_THERE = (Pending.UNVERIFIED, Pending.SEARCH_AGAIN)


@dataclass(frozen=True, slots=True)
class Need:
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
    _kept: set[str] = field(default_factory=set)
    _taken: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, need: Need) -> bool:
        """Keep room for a model; False where there is none left. One that has its room keeps it."""
        with self._lock:
            if need.key in self._kept:
                return True
            left = self.left(need)
            if left is not None and need.size > left:
                return False
            self._kept.add(need.key)
            if need.device is not None:
                self._taken[need.device] += need.size
            return True

    def left(self, need: Need) -> int | None:
        """The bytes that nothing is kept for on the disk of a model; None: no end is known."""
        if need.device is None or need.device not in self.bytes:
            return None
        return self.bytes[need.device] - self._taken[need.device]


def need_of(planned: Planned, record: Record) -> Need:
    """What a model still takes of its disk; looks at what is there of it already."""
    disk = disk_of(planned.path)
    size = 0 if record.local and not record.lent else _missing(planned, record)
    return Need(planned.model.key, size, disk.device if disk else None, planned.workflows)


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


def fitting(needs: Sequence[Need], room: Mapping[int, int]) -> frozenset[str]:
    """The models that there is room for.

    Whole workflows first, those that take least before others, since half a workflow is of no use;
    then the smallest of what is left.
    """
    left = dict(room)
    kept: dict[str, Need] = {}

    def take(some: Iterable[Need]) -> None:
        new = [need for need in some if need.key not in kept]
        taken: dict[int, int] = {}
        for need in new:
            if need.device is not None:
                taken[need.device] = taken.get(need.device, 0) + need.size
        if all(left.get(device, size) >= size for device, size in taken.items()):
            kept.update((need.key, need) for need in new)
            left.update({d: left[d] - size for d, size in taken.items() if d in left})

    groups: dict[str, list[Need]] = {}
    for need in needs:
        for workflow in need.workflows:
            groups.setdefault(workflow, []).append(need)
    for group in sorted(groups.values(), key=lambda group: sum(need.size for need in group)):
        take(group)
    for need in sorted(needs, key=lambda need: need.size):
        take([need])
    return frozenset(kept)
