"""The readable log of one exchange with Qwen."""

from __future__ import annotations

import time

from comfyfix.disk import json_file
from comfyfix.disk.files import printable
from comfyfix.sources.base import Services

ENTRY_MAX = 20_000  # characters


class Transcript:
    """Collects what was said, and writes it as one piece: models are searched side by side."""

    def __init__(self, about: str, services: Services) -> None:
        self._services = services
        self._begun = time.monotonic()
        self._parts = [f"=== {json_file.now()} {printable(about, 300)}"]

    def note(self, title: str, text: str) -> None:
        """Add one thing that was said; what it holds can't look like another entry's title."""
        lines = text[:ENTRY_MAX].splitlines() or [""]
        body = "\n".join(f"  {printable(line, ENTRY_MAX)}" for line in lines)
        self._parts.append(f"--- {title}\n{body}")

    def write(self) -> None:
        """Append all of it to log/qwen_search_history.log."""
        seconds = time.monotonic() - self._begun
        parts = [*self._parts, f"--- over after {seconds:.1f} s", "", ""]
        self._services.append(self._services.layout.qwen_log, "\n".join(parts))
