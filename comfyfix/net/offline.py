"""May anything be asked at all? The variables that say no, and the option that sets one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

SWITCH = "COMFYFIX_OFFLINE"
SWITCHES = (SWITCH, "HF_HUB_OFFLINE")
_ON = ("1", "on", "yes", "true")  # as huggingface_hub reads its own


def offline(environ: Mapping[str, str]) -> str:
    """The variable that forbids every request; empty if none does."""
    return next((name for name in SWITCHES if environ.get(name, "").lower() in _ON), "")


@contextmanager
def kept_offline() -> Iterator[None]:
    """Forbid every request, also to the programs that are started meanwhile."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before
