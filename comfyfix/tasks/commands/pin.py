"""The `pin` command: the user says where an uncertain model is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from comfyfix.errors import HostRefused, ModelProblem, SetupProblem
from comfyfix.net.hosts import DirectFile, HubFile, read_folder, read_url
from comfyfix.records import Hint, Rejected, because
from comfyfix.screen import notes
from comfyfix.screen import pinning as answers
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings import pins
from comfyfix.settings.read import load
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.stages.work import Planned, Present
from comfyfix.tasks import pinning
from comfyfix.tasks.commands.base import Ours
from comfyfix.tasks.guard import REFUSED
from comfyfix.tasks.names import Named, only
from comfyfix.tasks.running import Run
from comfyfix.why import Why

_ADDRESS = re.compile(r"://|^(?:urn:)?air:|^civitai:", re.IGNORECASE)


class Pin(Ours):
    """Settle by hand where a model comes from."""

    doc_purpose = t("settle by hand where a model comes from")
    doc_usage = "MODEL URL"
    doc_description = t(
        "Writes pins.yaml beside manifest.yaml, if the file is there: the address may be one of a "
        "file, a page of Civitai, an AIR or `hf://…`. `doit unpin` takes the pin back."
    )
    name = "pin"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Check the address and write the pin."""
        # An argument with `=` comes last, whatever its place was.
        urls = [name for name in names if _ADDRESS.search(name)]
        models = [name for name in names if not _ADDRESS.search(name)]
        if len(urls) != 1 or len(models) != 1:
            raise SetupProblem(Why.PIN_NEEDS_BOTH)
        run, item = _only(self.runs(options), models[0])
        run.set_right()
        try:
            there = _name_at(run, item, urls[0])
        except HostRefused as problem:
            notes.refusal(problem)
            return REFUSED
        if not on(OFFLINE, os.environ):
            _look(run, item, urls[0])
        pinning.write(run, {item.model.key: {"url": urls[0]}})
        told = answers.lines(
            item.model.key,
            urls[0],
            other_name="" if there == item.model.name else there,
            task=run.task("download", item.task) if isinstance(item, Planned) else "",
        )
        say(*told)
        return 0


class Unpin(Ours):
    """Take a pin back."""

    doc_purpose = t("take back what `doit pin` has settled")
    doc_usage = "MODEL [MODEL ...]"
    doc_description = t("Removes entries of pins.yaml, by their key or by the file's name.")
    name = "unpin"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Remove the entries. Raises SetupProblem for a name that has none."""
        if not names:
            raise SetupProblem(Why.UNPIN_NEEDS_MODEL)
        runs = self.runs(options)
        for name in names:
            gone = [key for run in runs for key in _taken_back(run, name)]
            if not gone:
                raise SetupProblem(Why.UNPIN_NOTHING, file=pins.NAME, model=name)
            say(*answers.taken_back(gone))
        return 0


def _taken_back(run: Run, name: str) -> list[str]:
    run.set_right()
    setup = run.project.setup
    path = pins.place(setup.manifest, setup.manifest_path)
    try:
        return pins.take_back(path, run.project.layout.pins_lock, name)
    except OSError as error:
        raise pinning.unwritten(error) from None


def _look(run: Run, item: Planned | Present, url: str) -> None:
    """Ask whether the file is there. Raises SetupProblem where it is not."""
    from comfyfix.sources import base, workflow  # 200 ms that only a look needs

    try:
        if item.is_directory:
            hint = Hint(name=item.model.name, url=url)
            wanted = base.Wanted(item.model, item.references, is_directory=True)
            found = workflow.confirm_folder(hint, pins.NAME, wanted, run.services(), by_user=True)
        else:
            found = pinning.at(run, item.model.name, url)
    except ModelProblem as problem:
        notes.remark(because(Why.PIN_NOT_ASKED, problem=problem.reason))
        return
    if isinstance(found, Rejected):
        raise SetupProblem(Why.PIN_NOT_THERE, address=url, cause=found.reason)
    if isinstance(found, base.Blocked):
        notes.remark(found.problem)
    if isinstance(found, base.Doubtful):
        raise SetupProblem(Why.PIN_NOT_THERE, address=url, cause=found.reason)


def _only(runs: Sequence[Run], name: str) -> Named:
    found = only(runs, name)
    run, item = found
    if item.model.folder is None:
        entry = f"{{{item.model.name}: {{folder: FOLDER}}}}"
        raise SetupProblem(Why.FOLDER_OF_PIN_UNKNOWN, path=item.model.path, entry=entry)
    manifest = run.project.setup.manifest_path
    own = load(manifest, run.environ, with_pins=False)
    override = own.override_for(item.model.folder, item.model.path)
    if override and override.names_a_place:
        raise SetupProblem(Why.PINNED_IN_MANIFEST, manifest=manifest.name, model=item.model.key)
    return found


def _name_at(run: Run, item: Planned | Present, url: str) -> str:
    """The name there, if the address tells it. Raises HostRefused."""
    if item.is_directory:
        folder = read_folder(url, run.project.manifest.endpoints)
        return folder.name if folder else ""
    target = read_url(
        url, run.project.manifest.endpoints, run.project.manifest.download.allow_hosts
    )
    return target.name if isinstance(target, HubFile | DirectFile) else ""
