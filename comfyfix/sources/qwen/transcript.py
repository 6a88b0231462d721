"""The readable log of one exchange with Qwen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from comfyfix.disk import json_file
from comfyfix.disk.files import printable
from comfyfix.errors import SourceDown
from comfyfix.records import Reason
from comfyfix.sources.base import Services
from comfyfix.sources.qwen.budget import BudgetUsedUp

ENTRY_MAX = 20_000  # characters


def as_text(value: object) -> str:
    """Return a reason by its name and its fields: the words that people read are made elsewhere."""
    if isinstance(value, Reason):
        fields = "; ".join(f"{name}: {as_text(field)}" for name, field in value.told.items())
        return f"{value.why} ({fields})" if fields else value.why
    return ", ".join(map(as_text, value)) if isinstance(value, tuple) else str(value)


@contextlib.contextmanager
def exchange(about: str, services: Services) -> Iterator[Transcript]:
    """Wait for Qwen's turn, and write down what is said then, however it ends."""
    with services.qwen_gate:
        transcript = Transcript(about, services)
        try:
            yield transcript
        except (BudgetUsedUp, SourceDown) as problem:
            transcript.note("ended without an answer", problem.reason)
            raise
        finally:
            transcript.write()


class Transcript:
    """Collects what was said, and writes it as one piece: models are searched side by side."""

    def __init__(self, about: str, services: Services) -> None:
        self._services = services
        self._begun = time.monotonic()
        self._parts = [f"=== {json_file.now()} {printable(about, 300)}"]

    def note(self, title: str, said: str | Reason) -> None:
        """Add one thing that was said; what it holds can't look like another entry's title."""
        lines = as_text(said)[:ENTRY_MAX].splitlines() or [""]
        body = "\n".join(f"  {printable(line, ENTRY_MAX)}" for line in lines)
        self._parts.append(f"--- {title}\n{body}")

    def write(self) -> None:
        """Append all of it to log/qwen_search_history.log."""
        seconds = time.monotonic() - self._begun
        parts = [*self._parts, f"--- over after {seconds:.1f} s", "", ""]
        self._services.append(self._services.layout.qwen_log, "\n".join(parts))
