"""Downloads by the workers of a cluster, where the manifest names one."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from comfyfix.outcomes import BY_EXIT_CODE, Outcome
from comfyfix.records import Receipt, Record
from comfyfix.screen import words
from comfyfix.script.channel import Message
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.stages.download import fetch as fetch_stage
from comfyfix.stages.download.slots import Slot, Slots
from comfyfix.stages.download.talk import BEGUN, Hear, Talk, paths_of

if TYPE_CHECKING:
    from comfyfix.cluster.away import Away, Errand
    from comfyfix.stages.needs.work import Planned
    from comfyfix.tasks.run.running import Run

T = TypeVar("T")


def is_for(run: Run, record: Record) -> bool:
    """Tell whether the bytes of a record come by a worker: those that are here already do not."""
    if not run.project.manifest.workers_fetch or record.local or on(OFFLINE, run.environ):
        return False
    lender = run.services().lender(record)
    return lender is None or lender.promised() is None


def slot(run: Run, record: Record) -> Slot:
    """A place among the downloads of this machine; the cluster has places of its own."""
    return Slot(Slots() if is_for(run, record) else run.downloads)


def fetch(run: Run, planned: Planned, record: Record, script: Path, hear: Hear) -> Receipt:
    """Let a worker run the script of a record, and make its receipt. Raises ModelProblem."""
    errand = _errand(run, record)
    places: list[str] = []

    def note_place(said: str | Message) -> None:
        if isinstance(said, Message) and said.kind == BEGUN:
            if places:
                run.events.lost(planned.model, places[-1])
            places.append(said.fields[0])
        hear(said)

    pickle, signs = run.project.manifest.verify.pickle, bool(run.project.trust.key)
    talk = Talk.about(record, note_place, Slot(Slots()), pickle=pickle, words=words.sentence)
    status = _asked(run, lambda cluster: cluster.run(errand, talk.take))
    if BY_EXIT_CODE.get(status) is Outcome.NETWORK and places:
        at = _asked(run, lambda cluster: cluster.others(places[-1]))
        if at:  # the way of another may be open
            run.events.cut_off(planned.model, places.pop())
            talk.last.clear()
            status = _asked(run, lambda cluster: cluster.run(errand, talk.take, at=at))
    with contextlib.suppress(OSError):  # a network filesystem then looks at what is there now
        os.close(os.open(record.folder, os.O_RDONLY))
    return fetch_stage.receipt(record, script, talk, status, signs=signs)


def _errand(run: Run, record: Record) -> Errand:
    """What a worker is sent: the script, with the servers that it asks, and where its files go."""
    from comfyfix.script import render  # templates, for downloads alone

    manifest = run.project.manifest
    servers = "".join(
        f"export {variable}={shlex.quote(getattr(manifest.endpoints, source))}\n"
        for source, variable in fetch_stage.ENDPOINT_VARIABLES.items()
    )
    folder = fetch_stage.real_place(record, run.project.folders)
    return servers + render.alone(record, manifest), str(folder), sorted(paths_of(record))


def _asked(run: Run, ask: Callable[[Away], T]) -> T:
    """Ask the cluster, once more where its scheduler was lost. Raises ModelProblem."""
    from comfyfix.cluster.scheduler import Lost  # for those who have one

    cluster = run.cluster.away()
    try:
        return ask(cluster)
    except Lost:
        run.go_on()
    return ask(run.cluster.away(cluster))
