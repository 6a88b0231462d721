"""Room on disks: which disk a path is on, or will be, and how much may still be written there."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import NamedTuple

_BLOCK = 512  # bytes that st_blocks counts


class Disk(NamedTuple):
    """A disk by its device number, and the bytes that are free on it."""

    device: int
    free: int


def disk_of(path: Path) -> Disk | None:
    """The disk of a path that need not be there yet; None where the system does not tell."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        info = os.statvfs(place)
        return Disk(os.stat(place).st_dev, info.f_bavail * info.f_frsize)
    except OSError:
        return None


def taken_by_parts(path: str) -> int:
    """Bytes of the disk that a download to this path holds already, also where none has arrived."""
    taken = 0
    for part in glob.glob(f"{glob.escape(path)}.*.part"):
        try:
            taken += os.stat(part).st_blocks * _BLOCK
        except OSError:  # it has just got its name
            continue
    return taken
