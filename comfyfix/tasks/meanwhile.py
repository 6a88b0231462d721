"""A model's turn has come: another process may have brought its file, or be about to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from comfyfix.records import Receipt
from comfyfix.screen.words import t
from comfyfix.stages import fetch as fetch_stage
from comfyfix.stages.meanwhile import WAIT_VARIABLE, Arrival, Brought, Patience
from comfyfix.stages.talk import Slot
from comfyfix.stages.work import Pending, Planned
from comfyfix.state import receipts
from comfyfix.tasks.running import Run

POLL_SECONDS, POLL_LONGEST = 0.25, 1.0
"""How often is looked whether a holder has ended, at first and after some looks: of many jobs each
may wait for twenty files, and all these looks add up."""


@dataclass(frozen=True, slots=True)
class Others:
    """What came of others: the receipt of a file of theirs, or else what a script has to know."""

    receipt: Receipt | None = None
    told: tuple[tuple[str, str], ...] = ()


NOBODY = Others()


def of_others(run: Run, planned: Planned, slot: Slot) -> Others:
    """Take what another process has brought, and wait for one that is bringing it.

    While we wait another of our downloads has the place in the line. Raises ModelProblem, OSError.
    """
    record = run.records[planned.model.key]
    script = run.project.layout.script(record.number, planned.model).name
    arrival = Arrival(record, run.project.trust, script)
    if planned.pending not in (Pending.ABSENT, Pending.EMPTY) or not arrival.can_be:
        return NOBODY
    fetch_stage.real_place(
        record, run.project.folders
    )  # else what lies there is no concern of ours
    patience = Patience(run.environ)
    waiting, pause = False, POLL_SECONDS
    while True:
        # While it is held, its file may be without a name, or be about to lose a second one.
        holder = arrival.holder()
        if holder is None:
            brought = arrival.look(
                lambda: run.console.phase(planned.model.key, planned.model.name, "verifying"),
                lambda _: run.go_on(),
            )
            if brought is not None:
                _keep(run, planned, brought)
                return Others(brought.receipt)
        if holder is None or not patience.holds(holder):
            break
        if not waiting:
            waiting = True
            told = t("{name} is being fetched by {who}", name=planned.model.name, who=holder.who)
            run.events.waiting(planned.model, told)
            run.console.phase(planned.model.key, planned.model.name, "waiting", size=record.size)
            slot.leave()
        rest(pause)
        pause = min(2 * pause, POLL_LONGEST)
        run.go_on()
    if not waiting:
        return NOBODY
    slot.take()
    return Others(told=((WAIT_VARIABLE, str(patience.left())),))


def rest(seconds: float) -> None:
    """Let some time pass."""
    time.sleep(seconds)


def _keep(run: Run, planned: Planned, brought: Brought) -> None:
    made = [(planned.model, brought.receipt)]
    layout = run.project.layout
    if brought.hashed:
        receipts.save(layout, run.project.folders.store, run.project.trust, made)
    else:  # whoever has read it has signed for it
        receipts.keep(layout, made)
