"""The origin of an address: what a token belongs to, and what shares a service's limits."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL. Raises ValueError for what is none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_address(name: str) -> bool:
    """Tell whether what a user names is an address, and no file."""
    return bool(_ADDRESS.match(name))
