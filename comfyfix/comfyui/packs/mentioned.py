"""Which node types no source of an installation names: some make up their names as they run.

Asked only of the few types that were not found by reading. A type with a tag, as `Label (rgthree)`,
is taken to be of the pack that has the tag in its source; nodes of the page alone are in scripts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from comfyfix.disk import regular

FILES_MAX = 20_000
FILE_MAX = 4 << 20
_SKIPPED = ("__pycache__", "node_modules", "site-packages", "venv", "models")
_TAG = re.compile(r"\w\s*([(|/][^(|/]*)$")


def unmentioned(places: Iterable[str], types: Iterable[str]) -> frozenset[str]:
    """The types that no source below some folders or files names."""
    left = {one: (one.encode(errors="replace"), _tag(one), _texts(one)) for one in types}
    for path in _sources(places):
        if not left:
            break
        try:
            data = regular.read(path, FILE_MAX)
        except OSError:
            continue
        for one in [one for one, parts in left.items() if _names(data, *parts)]:
            del left[one]
    return frozenset(left)


def _names(data: bytes, bare: bytes, tag: bytes, texts: Iterable[bytes]) -> bool:
    """Whether a source has one of the texts; most have not even the bare type."""
    return bool(tag and tag in data) or (bare in data and any(text in data for text in texts))


def _tag(node_type: str) -> bytes:
    tag = _TAG.search(node_type)
    return tag[1].encode(errors="replace") if tag else b""


def _texts(node_type: str) -> list[bytes]:
    texts = [f'"{node_type}"', f"'{node_type}'", f"`{node_type}`", f"class {node_type}("]
    return [text.encode(errors="replace") for text in texts]


def _sources(places: Iterable[str]) -> Iterator[str]:
    left, seen = FILES_MAX, set[tuple[int, int]]()
    for place in places:
        if os.path.isfile(place):
            yield place
        for folder, below, names in os.walk(place, followlinks=True):
            try:
                info = os.stat(folder)
            except OSError:  # it has gone meanwhile
                continue
            again = (info.st_dev, info.st_ino) in seen  # links may lead in a circle
            seen.add((info.st_dev, info.st_ino))
            below[:] = [] if again else sorted(n for n in below if not _is_skipped(n))
            for name in [] if again else sorted(names):
                if name.endswith((".py", ".js", ".mjs")):
                    left -= 1
                    if left < 0:
                        return
                    yield f"{folder}/{name}"


def _is_skipped(name: str) -> bool:
    return name in _SKIPPED or name.startswith(".") or name.endswith(".disabled")
