"""A download script of a run: started, heard, and what it says is taken in."""

from __future__ import annotations

import functools
from pathlib import Path
from urllib.parse import urlsplit

from comfyfix.errors import Unreachable
from comfyfix.mirrors.handing import Handed
from comfyfix.net.urls.hosts import endpoint_of
from comfyfix.process import require
from comfyfix.records import Reason, Receipt, Record
from comfyfix.screen import words
from comfyfix.screen.run.part import Part
from comfyfix.script.channel import Message
from comfyfix.stages.download import fetch as fetch_stage
from comfyfix.stages.download import written
from comfyfix.stages.download.slots import Slot
from comfyfix.stages.download.talk import BEGUN, Talk
from comfyfix.stages.needs.work import Planned
from comfyfix.state.journal import Phase
from comfyfix.tasks.downloads import elsewhere
from comfyfix.tasks.downloads.meanwhile import NOBODY, Others
from comfyfix.tasks.run.running import Run


def phase(run: Run, planned: Planned, now: Phase, size: int | None = None) -> None:
    """Show where a model stands: what is done about it `now`."""
    path = planned.path if now == "downloading" else None
    run.console.phase(planned.model.key, planned.model.name, now, size=size, path=path)


def run_script(run: Run, planned: Planned, slot: Slot, others: Others = NOBODY) -> Receipt:
    """Run the script of a model here, or on a worker. Raises ModelProblem."""
    run.go_on()
    record = run.records[planned.model.key]
    script = run.project.layout.script(record.number, planned.model)
    hear = functools.partial(_hear, run, planned, script.name, record.size)
    if elsewhere.is_for(run, record):
        return elsewhere.fetch(run, planned, record, script, functools.partial(hear, Handed()))
    require("bash", *([] if record.local else ["curl"]))
    reach, server = run.services().web.reach, _server_of(run, record)
    lender, handed = run.services().lender(record), run.mirrors().handed(record)
    if not (record.local or lender or handed.places):
        reach.require(server)
    env = _environment(run, record) | dict(others.env)
    # Once more: somebody may have changed it since the script was written.
    written.put_engine(run.project.layout, run.events.engine_replaced)
    _begun(run, planned, script.name, record)
    talk = Talk.about(
        record,
        functools.partial(hear, handed),
        slot,
        pickle=run.project.manifest.verify.pickle,
        words=words.sentence,
        lender=lender,
        mirrors=handed,
    )
    here = fetch_stage.Here(run.children, env, run.services().relay)
    signs, cut_off = bool(run.project.trust.key), lambda: reach.cut_off(server)
    try:
        return fetch_stage.fetch(record, script, talk, here, signs=signs, cut_off=cut_off)
    except Unreachable as problem:
        host, cause = (problem.reason.told.get(name) for name in ("host", "cause"))
        if host == urlsplit(server).netloc and isinstance(cause, Reason):
            reach.hold(server, cause)  # the next need not find that out too
        raise


def _begun(run: Run, planned: Planned, script: str, record: Record) -> None:
    """Tell that a script runs, and how much has arrived already."""
    run.events.executing(planned.model, script, record.size)
    arrived = Part(Path(record.destination)).arrived()
    if 0 < arrived < (record.size or 0):
        run.events.going_on(planned.model, arrived, record.size or 0)
    phase(run, planned, "downloading", record.size)


def _server_of(run: Run, record: Record) -> str:
    """The address that a record is fetched from, as far as its server goes."""
    endpoints = run.services().manifest.endpoints
    server: str = getattr(endpoints, endpoint_of(record.url) or "", record.url)
    return server


def _environment(run: Run, record: Record) -> dict[str, str]:
    """What the script of a record finds in its environment. Raises ModelProblem."""
    return fetch_stage.environment(
        run.environ,
        record,
        run.services().manifest.endpoints,
        run.project.tokens,
        folder=fetch_stage.real_place(record, run.project.folders),
        demo=run.project.manifest.is_demo,
    )


def _hear(
    run: Run, planned: Planned, script: str, size: int | None, handed: Handed, said: str | Message
) -> None:
    """Take in what a script says: lines for the log, and where it stands."""
    if isinstance(said, str):
        run.console.log(f"{script}: {said}")
    elif said.kind == BEGUN:  # on a worker
        run.events.executing(planned.model, script, size, said.fields[0])
        phase(run, planned, "downloading", size)
    elif said.kind == "brought":
        run.brought[planned.model.key] += 1
    elif said.kind == "mirror":
        _hear_of_mirror(run, planned, handed, *said.fields)
    elif said.kind == "note":
        run.events.noted(planned.model, said.fields[0])
    elif said.kind == "waiting":
        run.events.waiting(planned.model, said.fields[0])
        phase(run, planned, "waiting", size)
    elif said.kind == "waited":
        phase(run, planned, "downloading", size)


def _hear_of_mirror(run: Run, planned: Planned, handed: Handed, number: str, what: str) -> None:
    """Take in what became of one mirror, which a script names by its place in its list."""
    mirror = handed.of(number)
    if mirror is None:
        return
    if what == "brought":
        run.mirrored[planned.model.key] = mirror.label
        run.events.mirrored(planned.model, mirror.label)
    elif what == "unreached":
        if run.mirrors().unreached(mirror):
            run.events.mirror_unreached(mirror.label)
    elif what in ("wrong", "failed"):
        run.events.mirror_failed(planned.model, mirror.label, wrong=what == "wrong")
