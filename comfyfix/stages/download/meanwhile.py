"""Meanwhile: what another process brings while a run goes on, or has brought since it began.

A file that was absent is taken as it is, without a script, once it is what its record tells. Its
holder is waited for here, not by a script; whoever has died, gives no sign of life, or leaves
nothing that is right, is for the script: it breaks leases, and moves wrong files aside.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from comfyfix.disk.files import regular_stat, sha256_of
from comfyfix.disk.lease import lease
from comfyfix.disk.lease.lease import Holder
from comfyfix.records import Receipt, Record
from comfyfix.state import receipts
from comfyfix.state.trust import Trust

WAIT_VARIABLE, STILL_VARIABLE = "COMFYFIX_LOCK_WAIT", "COMFYFIX_LOCK_STILL"
"""Seconds that are waited for another process, and in how many it gives a sign of life."""
_WAIT, _STILL = "21600", "60"  # as the scripts have it


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that another process has brought; `hashed` where we have read it ourselves."""

    receipt: Receipt
    hashed: bool


@dataclass(slots=True)
class Arrival:
    """The file of a record that another process may bring. `script` is the name of its script."""

    record: Record
    trust: Trust
    script: str
    _wrong: tuple[int, ...] = ()

    @property
    def can_be(self) -> bool:
        """Whether a file can be known for what the record tells."""
        return bool(self.record.sha256) and not self.record.files

    def holder(self) -> Holder | None:
        """Who is at work on it."""
        path = Path(self.record.destination)
        return lease.holder(str(path.parent), path.name)

    def look(
        self, reading: Callable[[], AbstractContextManager[object]], passed: Callable[[int], object]
    ) -> Brought | None:
        """Return the file if it is there and right. Raises OSError.

        It is hashed, in what `reading` opens, unless a receipt that is signed with the key of the
        store stands for it as it is now; `passed` is told of the bytes. One that was seen to be
        wrong is not read again while it stays as it is.
        """
        record, path = self.record, Path(self.record.destination)
        info = regular_stat(path)
        if info is None or _stamp(info) == self._wrong:
            return None
        if record.size_exact and record.size not in (None, info.st_size):
            return None
        signed = self.trust.of_store(
            Path(record.store), record.model, record.destination, info, bound=True
        )
        if signed is not None and self.trust.holds(signed, path, info):
            digest, hashed = signed.sha256, False
        else:
            with reading():
                digest, hashed = sha256_of(path, passed), True
        receipt = receipts.of_file(record.model, path, digest, script=self.script, verified=True)
        if _stamp(path.stat()) != _stamp(info):
            return None  # it is being changed
        if digest != record.sha256:
            self._wrong = _stamp(info)
            return None
        return Brought(receipt, hashed)


def _stamp(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


class Patience:
    """How long a holder is waited for, from now on, by the seconds of a clock."""

    def __init__(
        self, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._environ, self._clock, self._begun = environ, clock, clock()
        self._holder: Holder | None = None
        self._changed = 0.0

    @property
    def waited(self) -> float:
        """Seconds since the wait began."""
        return self._clock() - self._begun

    def holds(self, now: Holder) -> bool:
        """Tell whether to wait on for the one who holds the lease now.

        One without a new sign of life is given half the time of a script, which then takes its own.
        """
        if now != self._holder:
            self._holder, self._changed = now, self.waited
        silence = _seconds(self._environ, STILL_VARIABLE, _STILL) / 2
        limit = _seconds(self._environ, WAIT_VARIABLE, _WAIT)
        return self.waited < limit and self.waited - self._changed < silence

    def left(self) -> int:
        """The seconds that are left of what the user allows, for a script."""
        return max(0, int(_seconds(self._environ, WAIT_VARIABLE, _WAIT) - self.waited))


def _seconds(environ: Mapping[str, str], variable: str, usual: str) -> float:
    """Seconds of a variable as the scripts read it; nought for what they can't read."""
    seconds = environ.get(variable) or usual
    return float(seconds) if seconds.isascii() and seconds.isdecimal() else 0.0
