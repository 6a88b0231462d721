"""How long to wait before asking a service again, and which questions share a limit."""

from __future__ import annotations

import email.utils
import random
import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from comfyfix.net.urls.origin import origin_of


def backoff(attempt: int) -> float:
    """Seconds to wait after a try that failed, for want of a word from the service."""
    # Jitter, so that many runners do not come back in step.
    return float(0.4 * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))  # noqa: S311 - not a secret


def retry_after(headers: Mapping[str, str], default: float) -> float:
    """Seconds to wait, from Retry-After (seconds or a date) or RateLimit's `t=`; 0.1 at least."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", value):
        return max(0.1, float(value[:9]))
    if value:
        try:
            moment = email.utils.parsedate_to_datetime(value).timestamp()
        except (TypeError, ValueError, OverflowError, OSError):
            return default
        return max(0.1, moment - time.time())
    seconds = used_up_for(headers)
    return default if seconds is None else seconds


def used_up_for(headers: Mapping[str, str]) -> float | None:
    """Seconds until a limit opens that RateLimit says is used up (`"api";r=0;t=12`), else None."""
    limit = re.search(r"\br=0\b.*?\bt=(\d{1,9})", headers.get("ratelimit", ""))
    return float(limit.group(1)) + 1 if limit else None


class UsedUp:
    """Limits of services that are used up, so that nobody asks into one; for all threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[tuple[str, bool], float] = {}

    def note(self, url: str, headers: Mapping[str, str]) -> None:
        """Remember a limit that an answer says is used up."""
        seconds = used_up_for(headers)
        if seconds is not None:
            self._until[limited(url)] = self._now() + seconds

    def left(self, url: str) -> float:
        """Seconds until this may be asked; 0 or less: at once."""
        return self._until.get(limited(url), 0.0) - self._now()


def limited(url: str) -> tuple[str, bool]:
    """What shares a limit: the API of an origin, and apart from it its files."""
    return origin_of(url), urlsplit(url).path.startswith("/api/")
