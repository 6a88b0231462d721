"""JSON from strangers: every value may be of any kind, so each is asked for by its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from comfyfix.records import Hint

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
SIZE_MAX = 1 << 50
"""Bytes. No file that is fetched is larger, and the scripts reckon with such numbers."""


def is_size(value: Any) -> TypeGuard[int]:
    """Tell whether a value from outside is a number of bytes: no truth value, no sign, no end."""
    return type(value) is int and 0 <= value <= SIZE_MAX


def sha256(value: Any) -> str:
    """The value in lower case if it is a sha256; empty for what is none."""
    digest = value.lower() if isinstance(value, str) else ""
    return digest if _SHA256.fullmatch(digest) else ""


def day(value: Any) -> str:
    """The day of a point in time (`2026-08-02T10:00:00Z`); empty for what is none."""
    return value[:10] if isinstance(value, str) and _DAY.match(value) else ""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def dicts(value: Any) -> list[dict[str, Any]]:
    """The mappings in a list."""
    return [i for i in value if isinstance(i, dict)] if isinstance(value, list) else []


def hints(node: Mapping[str, Any]) -> list[Hint]:
    """What a node's properties say of where its models are."""
    return hint_list(mapping(node.get("properties")).get("models"))


def hint_list(value: Any) -> list[Hint]:
    """A `models` list: name, url, directory, and the hash where it is a sha256."""
    found = []
    for entry in dicts(value):
        name, url = entry.get("name"), entry.get("url")
        if not (isinstance(name, str) and isinstance(url, str)):
            continue
        folder, digest = entry.get("directory"), entry.get("hash")
        is_sha256 = str(entry.get("hash_type", "")).upper().replace("-", "") == "SHA256"
        found.append(
            Hint(
                name=name,
                url=url,
                folder=folder if isinstance(folder, str) and folder else None,
                sha256=digest.lower() if isinstance(digest, str) and is_sha256 else None,
            )
        )
    return found
