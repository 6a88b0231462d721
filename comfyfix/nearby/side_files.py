"""What other programs write beside a model: the sha256 that it had then. A hint, never a proof.

`NAME.civitai.info` is Civitai's answer as Civitai Helper keeps it, `NAME.cm-info.json` one of
StabilityMatrix, `NAME.metadata.json` one of ComfyUI-Lora-Manager; in each of them the hash stands
under a key of this name. NAME is the model's without its ending, or with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import msgspec

from comfyfix.disk import regular

ENDINGS = (".civitai.info", ".cm-info.json", ".metadata.json")
DEPTH_MAX = 6  # levels at which a hash stands, and one more
VALUES_MAX = 10_000
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def hashes_of(model: str) -> frozenset[str]:
    """Every sha256 that the side files of a model tell, in lower case; none where there are none.

    Civitai's answer tells those of all the files of a version.
    """
    names = {os.path.splitext(model)[0], model}
    files = (name + ending for name in names for ending in ENDINGS)
    return frozenset[str]().union(*map(hashes_in, files))


def hashes_in(path: str) -> frozenset[str]:
    """Every sha256 that one side file tells; none where it can't be read."""
    try:
        value = msgspec.json.decode(regular.read(path, regular.NOTE_MAX))
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return frozenset()
    return frozenset(_hashes(value))


def stem(path: str) -> str:
    """The path of a side file without what makes it one."""
    return next((path.removesuffix(ending) for ending in ENDINGS if path.endswith(ending)), path)


def _hashes(value: object) -> Iterator[str]:
    pending, looked_at = [(value, 0)], 0
    while pending and looked_at < VALUES_MAX:
        value, depth = pending.pop()
        looked_at += 1
        if depth >= DEPTH_MAX:
            continue
        if isinstance(value, list):
            pending += [(item, depth + 1) for item in value[:VALUES_MAX]]
        elif isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, str):
                    if key.casefold() == "sha256" and _SHA256.fullmatch(item):
                        yield item.lower()
                else:
                    pending.append((item, depth + 1))
