"""Times as people read them."""

from __future__ import annotations

_MAX = 359_999


def clock(seconds: float) -> str:
    """`1:02:03` or `4:05`."""
    minutes, rest = divmod(int(max(0, min(seconds, _MAX))), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
