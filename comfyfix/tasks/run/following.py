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
from comfyfix.tasks.run.running import Run

if TYPE_CHECKING:
    from comfyfix.state.journal import Line
    from comfyfix.tasks.run.orders import Again

ERROR = 2
"""The exit code of what nobody has foreseen."""


def begin(run: Run) -> None:
    """Open the journal of a run that has work to do, and a socket for orders."""
    # Only those with work to do pay for these.
    from comfyfix.screen.run.following import Follower
    from comfyfix.state.journal import Begun, Journal
    from comfyfix.tasks.run.orders import Orders

    stamp = time.strftime("%Y%m%d_%H%M%S")
    numbers = {planned.model.key: n for n, planned in enumerate(run.pending)}
    name = f"{stamp}_{secrets.token_hex(4)}"
    models = [planned.model for planned in run.pending]
    run.orders = Orders(run.project.layout, run.tally, models, name)
    begun = Begun(total=len(numbers), run=name, control=run.orders.socket)
    follower = Follower(Journal(run.project.layout))
    run.follow(follower)
    follower.begin(stamp, [begun, *_about(run, numbers)], numbers)


def end(runs: Sequence[Run], code: int, *, stopped: bool) -> None:
    """Whoever follows is told that the runs are over, those that are not yet."""
    for run in runs:
        if run.orders is not None:
            run.orders.close()
        if run.follower is not None:
            run.follower.end(code, stopped=stopped)


def once_more(runs: Sequence[Run], code: int) -> bool:
    """Tell whether somebody wants more of some models now that the runs are through.

    They are noted to be searched again, or pinned to the file that was chosen, and the runs are
    over then; another one begins. Raises OSError.
    """
    orders = {run: run.orders.close() for run in runs if run.orders is not None}
    if not any(orders.values()):
        return False
    for run in runs:
        run.console.end()
    due = {run: [a.model for a in again if _is_due(run, a)] for run, again in orders.items()}
    if not any(due.values()):
        return False
    for run, models in due.items():
        if models:
            ledger.search_again(run.project.layout, models)
            names = [model.name for model in models]
            run.console.line(t("Once more, as asked: {names}", names=names))
    end(runs, code, stopped=False)
    return True


def _is_due(run: Run, asked: Again) -> bool:
    """Pin what was chosen; what can't be pinned is told, and not searched once more."""
    if asked.chosen is None:
        return True
    from comfyfix.tasks.run import pinning  # for who has chosen something only

    planned = next(p for p in run.pending if p.model == asked.model)
    return pinning.pin_for_next(run, planned, asked.chosen)


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
