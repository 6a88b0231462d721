"""A model's turn has come: another process may have brought its file, or be about to."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from comfyfix.disk.lease.lease import Holder
from comfyfix.records import Receipt
from comfyfix.screen.words import t
from comfyfix.stages.download import fetch as fetch_stage
from comfyfix.stages.download.meanwhile import WAIT_VARIABLE, Arrival, Brought, Patience
from comfyfix.stages.download.slots import Slot
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.tasks.run.running import Run

POLL_SECONDS, POLL_LONGEST = 0.1, 1.0
"""How often is looked whether a holder has ended: of many jobs each may wait for twenty files, and
all these looks add up, so who waits for more looks less often at each."""


@dataclass(frozen=True, slots=True)
class Others:
    """What came of others: the receipt of a file of theirs, or else what a script has to know.

    `env` tells it how long it may still wait for them.
    """

    receipt: Receipt | None = None
    env: Mapping[str, str] = field(default_factory=dict)


NOBODY = Others()


def of_others(run: Run, planned: Planned, slot: Slot) -> Others:
    """Wait for a slot, and take what another process has brought or is bringing as soon as it has.

    The slot is held if nobody has. While we wait for a holder another of our downloads has it.
    Raises ModelProblem, OSError.
    """
    record = run.records[planned.model.key]
    script = run.project.layout.script(record.number, planned.model).name
    arrival = Arrival(record, run.project.trust, script)
    if planned.pending not in (Pending.ABSENT, Pending.EMPTY) or not arrival.can_be:
        slot.take()
        return NOBODY
    # Outside of the store what lies there is no concern of ours.
    fetch_stage.real_place(record, run.project.folders)
    look = functools.partial(_look, run, planned, arrival)
    has_slot = False
    while True:
        holder, receipt = look()
        if receipt is not None:
            return Others(receipt)
        if has_slot:
            break
        has_slot = slot.take(POLL_LONGEST)
        run.go_on()
    patience = Patience(run.environ)
    if holder is None or not patience.holds(holder):
        return NOBODY
    with _awaiting(run, planned, holder, record.size):
        slot.leave()
        while holder is not None and patience.holds(holder):
            rest(min(POLL_SECONDS * len(run.awaited), POLL_LONGEST))
            run.go_on()
            holder, receipt = look()
            if receipt is not None:
                return Others(receipt)
    slot.take()
    return Others(env={WAIT_VARIABLE: str(patience.left())})


def _look(run: Run, planned: Planned, arrival: Arrival) -> tuple[Holder | None, Receipt | None]:
    """Who holds the file, or else the receipt of what is there, if it is right."""
    holder = arrival.holder()
    if holder is not None:  # its file may be without a name, or be about to lose a second one
        return holder, None

    @contextlib.contextmanager
    def reading() -> Iterator[None]:
        with run.readings:
            run.console.phase(planned.model.key, planned.model.name, "verifying")
            yield

    brought = arrival.look(reading, lambda _: run.go_on())
    if brought is not None:
        _keep(run, planned, brought)
    return None, brought.receipt if brought else None


@contextlib.contextmanager
def _awaiting(run: Run, planned: Planned, holder: Holder, size: int | None) -> Iterator[None]:
    text = t("{name} is being fetched by {who}", name=planned.model.name, who=holder.who)
    run.events.waiting(planned.model, text)
    run.console.phase(planned.model.key, planned.model.name, "waiting", size=size)
    run.awaited.add(planned.model.key)
    try:
        yield
    finally:
        run.awaited.discard(planned.model.key)


def rest(seconds: float) -> None:
    """Let some time pass."""
    time.sleep(seconds)


def _keep(run: Run, planned: Planned, brought: Brought) -> None:
    made = [(planned.model, brought.receipt)]
    if brought.hashed:
        run.receipts.save(run.project.folders.store, run.project.trust, made)
    else:  # whoever has read it has signed for it
        run.receipts.keep(made)
