"""What the journal of a run begins with: its models, their batches, and who needs them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

from comfyfix.screen.text import clean
from comfyfix.state import journal
from comfyfix.tasks.running import Run

ERROR = 2
"""The exit code of what nobody has foreseen."""


def begin(run: Run) -> None:
    """Open the journal of a run that has work to do."""
    numbers = {planned.model.key: n for n, planned in enumerate(run.pending)}
    run.follower.begin(time.strftime("%Y%m%d_%H%M%S"), list(_about(run, numbers)), numbers)


@contextlib.contextmanager
def to_the_end(runs: Sequence[Run]) -> Iterator[None]:
    """Whoever follows is told of each end, also of one that nobody has foreseen."""
    try:
        yield
    finally:
        for run in runs:
            run.follower.end(ERROR, stopped=True)


def _about(run: Run, numbers: Mapping[str, int]) -> Iterator[journal.Line]:
    plan = run.project.plan
    yield journal.Begun(total=len(numbers))
    for planned in run.pending:
        yield journal.Wanted(
            n=numbers[planned.model.key],
            name=clean(planned.model.path),
            folder=clean(planned.model.folder or ""),
            batch=(planned.number - 1) // plan.batch_size + 1,
            task=run.task("download", planned.task),
            size=planned.record.size if planned.record else None,
        )
    for name, keys in plan.workflows.items():
        lacks = tuple(numbers[key] for key in keys if key in numbers)
        yield journal.Workflow(name=clean(name), lacks=lacks, needs=len(keys))
