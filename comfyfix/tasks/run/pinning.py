"""What the commands that write pins.yaml share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from comfyfix.errors import ModelProblem, Problem, SetupProblem
from comfyfix.net.urls.hosts import DirectFile, read_folder, read_url
from comfyfix.net.urls.hub_address import HubFile
from comfyfix.records import Candidate, Hint, Rejected, because
from comfyfix.screen import notes
from comfyfix.screen.commands import pinning as answers
from comfyfix.screen.text import say
from comfyfix.settings import pins
from comfyfix.settings.read import load
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.tasks.run.names import Named, model_named
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.sources.base import Finding

_ADDRESS = re.compile(r"://|^(?:urn:)?air:|^civitai:", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Tell whether a word of the command line is a place, and no model."""
    return bool(_ADDRESS.search(text))


def pin(
    named: Named, url: str, seen: Candidate | None = None, *, fetched_next: bool = False
) -> None:
    """Look at an address, pin it to a model, and tell so.

    `seen` is what was there before; `fetched_next` where a run follows by itself. Raises
    SetupProblem where the file is not there, or is another by now, and HostRefused.
    """
    run, item = named
    run.set_right()
    name = _name_at(run, item, url)
    if not on(OFFLINE, os.environ):
        now = _candidate_at(run, item, url)
        if seen and now and seen.content and now.content not in (None, seen.content):
            raise SetupProblem(Why.CHOICE_CHANGED, address=url)
    write(run, {item.model.key: {"url": url}})
    lines = answers.lines(
        item.model.key,
        url,
        other_name="" if name == item.model.name else name,
        task=run.task("download", item.task) if isinstance(item, Planned) else "",
        fetched_next=fetched_next,
    )
    say(*lines)


def pin_for_next(run: Run, planned: Planned, chosen: Candidate) -> bool:
    """Pin a choice for the run that follows by itself; what can't be pinned is told."""
    try:
        named = pinnable([run], run.task("download", planned.task))
        pin(named, chosen.url, chosen, fetched_next=True)
    except Problem as problem:
        notes.refusal(problem)
        return False
    return True


def write(run: Run, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Add entries to the project's pins.yaml. Raises SetupProblem."""
    setup = run.project.setup
    path = pins.place(setup.manifest, setup.manifest_path)
    try:
        pins.add(path, run.project.layout.pins_lock, entries)
    except OSError as error:
        raise unwritten(error) from None


def unwritten(error: OSError) -> SetupProblem:
    """The problem that pins.yaml can't be written."""
    cause = error.strerror or str(error)
    return SetupProblem(Why.PINS_NOT_WRITTEN, file=pins.NAME, cause=cause)


def ask_at(run: Run, name: str, url: str, sha256: str = "") -> Finding:
    """Ask what is at an address, for a file of this name. Raises ModelProblem."""
    from comfyfix.sources import workflow  # 200 ms that only a look needs

    hint = Hint(name=name, url=url, sha256=sha256 or None)
    return workflow.confirm_url(hint, pins.NAME, run.services())


def _candidate_at(run: Run, item: Planned | Present, url: str) -> Candidate | None:
    """Ask what is there; that it could not be asked is told. Raises SetupProblem for nothing."""
    from comfyfix.sources import base, workflow  # 200 ms that only a look needs

    try:
        if item.is_directory:
            hint = Hint(name=item.model.name, url=url)
            wanted = base.Wanted(item.model, item.references, is_directory=True)
            found = workflow.confirm_folder(hint, pins.NAME, wanted, run.services(), by_user=True)
        else:
            found = ask_at(run, item.model.name, url)
    except ModelProblem as problem:
        notes.remark(because(Why.PIN_NOT_ASKED, problem=problem.reason))
        return None
    if isinstance(found, base.Blocked):
        notes.remark(found.problem)
    if isinstance(found, Rejected | base.Doubtful):
        raise SetupProblem(Why.PIN_NOT_THERE, address=url, cause=found.reason)
    return found if isinstance(found, Candidate) else found.candidate


def pinnable(runs: Sequence[Run], name: str) -> Named:
    """The one model that a pin is about. Raises SetupProblem where there can be none."""
    named = model_named(runs, name)
    run, item = named
    if item.model.folder is None:
        entry = f"{{{item.model.name}: {{folder: FOLDER}}}}"
        raise SetupProblem(Why.FOLDER_OF_PIN_UNKNOWN, path=item.model.path, entry=entry)
    manifest = run.project.setup.manifest_path
    own = load(manifest, run.environ, with_pins=False)
    override = own.override_for(item.model.folder, item.model.path)
    if override and override.names_a_place:
        raise SetupProblem(Why.PINNED_IN_MANIFEST, manifest=manifest.name, model=item.model.key)
    return named


def _name_at(run: Run, item: Planned | Present, url: str) -> str:
    """The name there, if the address tells it. Raises HostRefused."""
    if item.is_directory:
        folder = read_folder(url, run.project.manifest.endpoints)
        return folder.name if folder else ""
    target = read_url(
        url, run.project.manifest.endpoints, run.project.manifest.download.allow_hosts
    )
    return target.name if isinstance(target, HubFile | DirectFile) else ""
