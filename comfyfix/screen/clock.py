"""Times as people read them."""

from __future__ import annotations

_MAX = 359_999


def clock(seconds: float) -> str:
    """`1:02:03` or `4:05`."""
    whole = int(max(0, min(seconds, _MAX)))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
