"""What the journal of a run begins with: its models, their batches, and who needs them."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from comfyfix.screen.text import clean
from comfyfix.screen.words import t
from comfyfix.state import ledger
from comfyfix.tasks.running import Run

if TYPE_CHECKING:
    from comfyfix.state.journal import Line

ERROR = 2
"""The exit code of what nobody has foreseen."""


def begin(run: Run) -> None:
    """Open the journal of a run that has work to do, and a socket for orders."""
    # Only those with work to do pay for these.
    from comfyfix.screen.following import Follower
    from comfyfix.state.journal import Begun, Journal
    from comfyfix.tasks.control import Control

    stamp = time.strftime("%Y%m%d_%H%M%S")
    numbers = {planned.model.key: n for n, planned in enumerate(run.pending)}
    name = f"{stamp}_{secrets.token_hex(4)}"
    run.control = Control(run, name)
    begun = Begun(total=len(numbers), run=name, control=run.control.socket)
    follower = Follower(Journal(run.project.layout))
    run.follow(follower)
    follower.begin(stamp, [begun, *_about(run, numbers)], numbers)


def end(runs: Sequence[Run], code: int, *, stopped: bool) -> None:
    """Whoever follows is told that the runs are over, those that are not yet."""
    for run in runs:
        if run.control is not None:
            run.control.close()
        if run.follower is not None:
            run.follower.end(code, stopped=stopped)


def once_more(runs: Sequence[Run], code: int) -> bool:
    """Tell whether somebody wants models searched again now that the runs are through.

    These are noted, and the runs are over then; another one begins. Raises OSError.
    """
    wanted = {run: run.control.close() for run in runs if run.control is not None}
    if not any(wanted.values()):
        return False
    for run, models in wanted.items():
        for model in models:
            ledger.search_again(run.project.layout, model)
        if models:
            names = [model.name for model in models]
            run.console.line(t("Searching again, as asked: {names}", names=names))
    for run in runs:
        run.console.end()
    end(runs, code, stopped=False)
    return True


@contextlib.contextmanager
def to_the_end(runs: Sequence[Run]) -> Iterator[None]:
    """Whoever follows is told of each end, also of one that nobody has foreseen."""
    try:
        yield
    finally:
        end(runs, ERROR, stopped=True)


def _about(run: Run, numbers: Mapping[str, int]) -> Iterator[Line]:
    from comfyfix.state import journal

    plan = run.project.plan
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
