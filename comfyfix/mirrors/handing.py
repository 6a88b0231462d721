"""How a run hands mirrors on: each script gets a list of its own, by its environment alone.

A bucket is no address, so the script gets one that is signed for the one file and for a time. The
list is in the environment of the script and nowhere else: no file, no log and no message has it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from comfyfix import secrets
from comfyfix.net.buckets import Bucket, BucketFailed
from comfyfix.once import Once
from comfyfix.records import Reason, Record
from comfyfix.settings.mirror import Mirror, name_of

HELD_SECONDS = 60.0
"""A mirror that could not be reached is left alone for so long."""
BYTES_MAX = 100_000
"""Bytes of one list: a system takes no variable of more than 128 KiB."""
Hear = Callable[[str, Reason], object]
"""Takes the place of a mirror that can't be asked, and why."""


@dataclass(frozen=True, slots=True)
class Handed:
    """The list of one script: its text, which may hold secrets, and whose each entry is."""

    places: tuple[str, ...] = ()
    mirrors: tuple[Mirror, ...] = ()

    @property
    def text(self) -> str:
        """The list as it is handed on."""
        return "\n".join(self.places)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that are asked by the network."""
        return tuple(place for place in self.places if place.startswith(("http://", "https://")))

    def of(self, number: str) -> Mirror | None:
        """The mirror that a script means by its place in the list."""
        return {str(place): mirror for place, mirror in enumerate(self.mirrors)}.get(number)

    def without_secrets(self, line: str) -> str:
        """A line that a script has printed, without what signs an address."""
        queries = [place.partition("?")[2] for place in self.places if "://" in place]
        return secrets.without(line, *queries)


class Mirrors:
    """The mirrors of a run; safe to use from several threads."""

    def __init__(
        self,
        mirrors: Sequence[Mirror],
        hear: Hear,
        *,
        offline: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hear` is told once of each that can't be asked; `offline`: folders alone count."""
        self._mirrors = [m for m in mirrors if m.kind == "folder" or not offline]
        self._hear, self._clock = hear, clock
        self._lock = threading.Lock()
        self._held: dict[Mirror, float] = {}
        self._buckets: Once[Mirror, Bucket | None] = Once()

    def handed(self, record: Record) -> Handed:
        """What the script of a record is told: nothing where no mirror can have a file of it."""
        hashes = [member.sha256 for member in record.members if member.sha256]
        if record.local or not hashes:
            return Handed()
        places: list[str] = []
        mirrors: list[Mirror] = []
        room = BYTES_MAX
        for mirror in self._mirrors:
            if self._is_held(mirror):
                continue
            for place in self._places(mirror, hashes):
                room -= len(place.encode()) + 1
                if room >= 0:
                    places.append(place)
                    mirrors.append(mirror)
        return Handed(tuple(places), tuple(mirrors))

    def unreached(self, mirror: Mirror) -> bool:
        """Note that a mirror could not be reached; tells whether that is new."""
        with self._lock:
            fresh = self._clock() >= self._held.get(mirror, 0.0)
            self._held[mirror] = self._clock() + HELD_SECONDS
        return fresh

    def _is_held(self, mirror: Mirror) -> bool:
        with self._lock:
            return self._clock() < self._held.get(mirror, 0.0)

    def _places(self, mirror: Mirror, hashes: Sequence[str]) -> Sequence[str]:
        if mirror.kind != "bucket":
            return (mirror.handed,)
        bucket = self._buckets.get(mirror, partial(self._opened, mirror))
        if bucket is None:
            return ()
        try:
            return bucket.signed([name_of(sha256) for sha256 in hashes])
        except BucketFailed as failed:
            if self.unreached(mirror):
                self._hear(mirror.label, failed.reason)
            return ()

    def _opened(self, mirror: Mirror) -> Bucket | None:
        try:
            return Bucket(mirror.place)
        except BucketFailed as failed:
            self._hear(mirror.label, failed.reason)
            return None
