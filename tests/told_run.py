"""A run as its journal tells it, of any size, for tests of who follows one."""

from __future__ import annotations

import time
from pathlib import Path

from comfyfix.state import journal
from comfyfix.state.layout import Layout

WORDS = ("harbour", "lantern", "meadow", "granite", "velvet", "ember")


def begun(
    models: int, name: str = "{word}_{n:04d}.safetensors", run: str = "", at: float = 0.0
) -> list[journal.Line]:
    """The first events of a run with so many models, a tenth as many workflows."""
    flows = max(1, models // 10)
    return [
        journal.Begun(total=models, run=run, at=at),
        *(
            journal.Wanted(
                n=n, name=name.format(n=n, word=WORDS[n % len(WORDS)]), folder="loras",
                batch=n // 6 + 1, task=f"download:m{n}", size=(n % 9 + 1) * 400_000_000,
            )
            for n in range(models)
        ),
        *(
            journal.Workflow(
                name=f"{WORDS[flow % len(WORDS)]}_{flow}.json",
                lacks=tuple(range(flow, models, flows)),
                needs=len(range(flow, models, flows)) + 2,
            )
            for flow in range(flows)
        ),
    ]  # fmt: skip


class ToldRun:
    """A run that a test tells, event by event."""

    def __init__(
        self,
        output: Path,
        models: int = 12,
        stamp: str = "",
        name: str = "{word}_{n:04d}.safetensors",
        at: float = 0.0,
    ) -> None:
        self.layout = Layout(output)
        self.journal = journal.Journal(self.layout)
        stamp = stamp or time.strftime("%Y%m%d_%H%M%S")
        self.journal.begin(stamp, begun(models, name, at=at))

    def tell(self, *events: journal.Line) -> None:
        """Write events."""
        self.journal.tell(*events)

    def fails(self, n: int, what: str, next_step: str = "") -> None:
        """Let a model fail."""
        failed = journal.Failed(n=n, what=what, next=next_step)
        self.tell(failed, journal.Settled(n=n, good=False))

    def end(self, *, code: int = 0, done: int = 0, failed: int = 0) -> None:
        """Let it end."""
        self.journal.end(journal.Ended(code=code, done=done, failed=failed))
