"""The `store` command: what lies in the model folders, and what it is for."""

from __future__ import annotations

from typing import Any

from comfyfix.disk.files import regular_stat
from comfyfix.errors import SetupProblem
from comfyfix.records import Record
from comfyfix.screen import notes, storing
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import room, say
from comfyfix.screen.words import t
from comfyfix.stages import gc, sweep
from comfyfix.stages.gc import Known, Unit
from comfyfix.state import ledger, receipts
from comfyfix.state.hashes import HashLog
from comfyfix.tasks.commands.base import Ours, project_heading, switch
from comfyfix.tasks.guard import JSON_OPTION
from comfyfix.tasks.needing import Needing
from comfyfix.tasks.running import Run
from comfyfix.why import Why


class Store(Ours):
    """Show what lies in the model folders."""

    doc_purpose = t("show what lies in the model folders, and what of it workflows need")
    doc_usage = ""
    doc_description = t(
        "A line for each folder: files, bytes, what is needed and not, what comfyfix has fetched, "
        "and equal files as far as their hashes are known. Nothing is changed and nothing hashed: "
        "`doit verify --store` hashes every file."
    )
    cmd_options = (switch("all", t("a line for each file, with who needs it")), JSON_OPTION)
    name = "store"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Look and tell."""
        if names:
            raise SetupProblem(Why.STORE_TAKES_NONE, name=names[0])
        runs = self.runs(options)
        needing = Needing(runs)
        for doubt in needing.doubts:
            notes.remark(doubt)
        found = {run.prefix: known_units(run, needing)[1] for run in runs}
        hashed = {run.prefix: _hashes(run, found[run.prefix]) for run in runs}
        if options["as_json"]:
            say_json_of(
                {
                    prefix: storing.as_data(units, hashed[prefix], needing.doubts)
                    for prefix, units in found.items()
                }
            )
            return 0
        for prefix, units in found.items():
            lines = (
                storing.files(units, room())
                if options["all"]
                else storing.folders(units, hashed[prefix], room())
            )
            say(*project_heading(prefix), *lines)
        return 0


def known_units(run: Run, needing: Needing) -> tuple[Known, list[Unit]]:
    """The files of a project's folders as what goes as a whole. Raises OSError."""
    project = run.project
    records: dict[str, Record] = sweep.records(project.layout)
    known = Known(
        folders=project.folders,
        trust=project.trust,
        receipts={receipt.path: receipt for receipt in receipts.load(project.layout).values()},
        records=records,
        entries=ledger.load(project.layout).models,
    )
    choices = sweep.whole_store(
        project.manifest, project.folders, project.layout, project.trust, known_records=records
    )
    return known, gc.units(choices, known, needing.needs)


def _hashes(run: Run, units: list[Unit]) -> dict[str, str]:
    """The sha256 of single files, where it is known."""
    project = run.project
    log = HashLog(project.layout.hashes, project.manifest.verify.identity)
    found = {}
    for unit in units:
        for path in unit.files if len(unit.files) == 1 else ():
            info = regular_stat(path)
            digest = (log.find(path, info) if info else None) or unit.sha256
            if digest:
                found[path] = digest
    return found
