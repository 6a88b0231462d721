"""The key that receipts of a shared store are signed with: taken from the environment, once."""

from __future__ import annotations

from collections.abc import MutableMapping

STORE_KEY = "COMFYFIX_STORE_KEY"
"""The variable that holds the key which receipts of a shared store are signed with."""
_taken: list[bytes] = []


def store_key(environ: MutableMapping[str, str]) -> bytes:
    """Take the key of the store out of the environment: no program that is started here gets it.

    It is kept for further projects of this process.
    """
    key = environ.pop(STORE_KEY, "").strip().encode()
    if key:
        _taken[:] = [key]
    return _taken[0] if _taken else b""
