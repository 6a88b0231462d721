"""Which services can't be reached now: one that could not be is left alone for a while.

Only what keeps a connection from being made counts: a name that is not known, no way, no proxy, no
trust in a certificate, a network that answers in the place of all services. Of other hosts that
says nothing. After the while it is tried again, since a network comes back.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from urllib.parse import urlsplit

from comfyfix.errors import SourceDown, Unreachable
from comfyfix.net.urls.origin import origin_of
from comfyfix.records import Reason
from comfyfix.why import Why

HELD_SECONDS = 20.0
PAGES_MAX = 3
"""So many answers in a row of something in between mean that a service is not heard any more."""


class Reach:
    """What is known of the origins that one run asks; safe to use from several threads."""

    def __init__(self, switch: str = "") -> None:
        """`switch` is the variable that forbids every request; empty for none."""
        self._switch = switch
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Reason]] = {}
        self._heard: set[str] = set()
        self._between: Counter[str] = Counter()

    def require(self, url: str) -> None:
        """Raise Unreachable where nothing may be asked, or could not be a moment ago."""
        if self._switch:
            raise Unreachable(Why.OFFLINE, variable=self._switch)
        with self._lock:
            until, cause = self._held.get(origin_of(url), (0.0, None))
        if cause is not None and time.monotonic() < until:
            raise problem(url, cause)

    def hold(self, url: str, cause: Reason) -> None:
        """Note that an origin could not be reached, and why."""
        with self._lock:
            self._held[origin_of(url)] = (time.monotonic() + HELD_SECONDS, cause)

    def reached(self, url: str) -> None:
        """Note that an origin has answered."""
        origin = origin_of(url)
        with self._lock:
            self._held.pop(origin, None)
            self._between.pop(origin, None)
            self._heard.add(origin)

    def cut_off(self, url: str) -> bool:
        """Note that something in between has answered; True where the origin itself is not heard.

        A service that has answered may have shown a page by a fault of its own.
        """
        origin = origin_of(url)
        with self._lock:
            self._between[origin] += 1
            if self._between[origin] >= PAGES_MAX:
                self._heard.discard(origin)
            return origin not in self._heard


def problem(url: str, cause: Reason) -> Unreachable:
    """What to tell of a service that can't be reached."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    return Unreachable(Why.SERVICE_UNREACHABLE, host=host, cause=cause)


def down(url: str, cause: Reason) -> SourceDown:
    """What to tell of a service that can't be asked, or does not answer as it should."""
    return SourceDown(Why.SERVICE_UNASKED, host=urlsplit(url).netloc, cause=cause)
