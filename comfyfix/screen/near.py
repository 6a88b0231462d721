"""Near misses in words."""

from __future__ import annotations

from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.stages.values.near import NearMiss


def line(near: NearMiss) -> str:
    """Say what lies there under nearly the name, and what the user would do with it."""
    return words.sentence(because(near.kind, shown=near.shown))
