"""How fast bytes may come: of all hosts together, and of each that has a limit of its own.

Whoever has bytes takes leave to hand them on. Leave is given in turn, so all who are at it get an
equal share, and the share of one who has ended goes to the others at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping

from comfyfix.net.relay.faucet import Faucet
from comfyfix.settings.manifest import TOTAL

BURST_SECONDS = 0.15
"""What a busy machine is late by is made up for, but never more: a line must not see peaks."""
SLICE_SECONDS = 0.004
SLICE_MIN, SLICE_MAX = 4 << 10, 512 << 10
"""Bytes that one takes at a time: few where it is slow, or the turns of the others come late."""


class Bucket:
    """One limit. All who take from it are in one event loop."""

    def __init__(self, rate: int) -> None:
        """`rate` is in bytes a second."""
        self.rate = rate
        self.faucets: dict[Faucet, tuple[Bucket, ...]] = {}
        self._free_at = 0.0

    async def take(self, count: int) -> None:
        """Wait until `count` more bytes may be handed on."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now - BURST_SECONDS) + count / self.rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


class Pace:
    """The limits of one run."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        """`limits` are bytes a second by host, and in `total`; a host's hold below it, too."""
        self._hosts = {host: Bucket(rate) for host, rate in limits.items() if host != TOTAL}
        self._total = Bucket(limits[TOTAL]) if TOTAL in limits else None

    def of(self, hosts: Iterable[str]) -> tuple[Bucket, ...]:
        """The limits for what comes from any of these hosts.

        That of all together is the last: who waits for his host keeps nobody else waiting.
        """
        names = [f".{host.lower()}" for host in hosts]
        own = (
            bucket
            for host, bucket in self._hosts.items()
            if any(name.endswith(f".{host}") for name in names)
        )
        return (*own, *((self._total,) if self._total else ()))


def portion(buckets: Iterable[Bucket]) -> int:
    """How many bytes to take from these limits at a time."""
    slowest = min((bucket.rate for bucket in buckets), default=SLICE_MAX / SLICE_SECONDS)
    return int(min(max(slowest * SLICE_SECONDS, SLICE_MIN), SLICE_MAX))


@contextlib.contextmanager
def sharing(buckets: tuple[Bucket, ...], faucet: Faucet) -> Iterator[None]:
    """Count a connection among those that share these limits: each is held to its share."""
    for bucket in buckets:
        bucket.faucets[faucet] = buckets
    _bound(buckets)
    try:
        yield
    finally:
        for bucket in buckets:
            del bucket.faucets[faucet]
        _bound(buckets)


def _bound(buckets: tuple[Bucket, ...]) -> None:
    """A sender takes what waits here for fetched: so no more waits than a share needs."""
    changed = {faucet: own for bucket in buckets for faucet, own in bucket.faucets.items()}
    for faucet, own in changed.items():
        faucet.bound(min(bucket.rate / len(bucket.faucets) for bucket in own))
