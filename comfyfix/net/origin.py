"""The origin of an address: what a token belongs to, and what shares a service's limits."""

from __future__ import annotations

from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL. Raises ValueError for what is none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
