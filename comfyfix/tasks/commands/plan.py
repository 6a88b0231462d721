"""The `plan` command: searches for what is pending, writes the records, downloads nothing."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from doit.doit_cmd import get_var

from comfyfix.disk.files import write_atomic
from comfyfix.errors import Problem, SetupProblem, unwritable
from comfyfix.records import Record, to_json
from comfyfix.screen import notes, preview
from comfyfix.screen.preview import Answer
from comfyfix.screen.text import clean, data, fitted, say
from comfyfix.screen.words import t
from comfyfix.stages import resolve as resolve_stage
from comfyfix.stages.work import Planned
from comfyfix.state import ledger
from comfyfix.stopping import Stopped
from comfyfix.tasks.commands.base import JSON_OPTION, Ours
from comfyfix.tasks.running import Run, begin
from comfyfix.why import Why


class Plan(Ours):
    """Show what a run would download."""

    doc_purpose = t("search, and show what a run would download; downloads nothing")
    doc_usage = ""
    doc_description = t("The sources that it finds are kept, so that the next run starts at once.")
    cmd_options = (JSON_OPTION,)
    name = "plan"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Search and print."""
        if names:
            raise SetupProblem(Why.ARGUMENT_UNKNOWN, command=self.name, argument=names[0])
        run = begin(get_var("workflow"))
        run.reserve()
        notes.unreadable(run.project.plan.unreadable)
        pending = [
            planned
            for planned in run.project.plan.pending
            if not run.project.selected or run.project.selected in planned.workflows
        ]
        if pending:
            notes.searching(len(pending))
        answers = _search(run, pending)
        reserve = run.project.manifest.download.reserve_bytes
        view = preview.preview(answers, run.project.folders.store, reserve)
        if options["as_json"]:
            data(msgspec.json.format(msgspec.json.encode(view), indent=1).decode() + "\n")
        else:
            say(*(fitted(clean(line)) for line in preview.table(view, run.project.folders.store)))
            say(*preview.advice(view, run.project.folders.store))
        failed = any(not row.found for row in view.models) or run.project.plan.unreadable
        return 1 if failed or not view.fits else 0


def _search(run: Run, pending: list[Planned]) -> list[Answer]:
    pool = ThreadPoolExecutor(run.project.manifest.search.parallel)
    try:
        return list(pool.map(lambda planned: _answer(run, planned), pending))
    except Stopped as stopped:
        run.children.stop()
        notes.stopped_searching()
        sys.stdout.flush()
        os._exit(stopped.exit_code)  # searches under way would hold the end up for minutes
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _answer(run: Run, planned: Planned) -> Answer:
    try:
        if planned.problem is not None:
            raise planned.problem
        record = planned.record
        if record is None or not resolve_stage.still_wanted(record, planned):
            record = resolve_stage.resolve(planned, run.services())
            _keep(run, planned, record)
    except Problem as problem:
        return Answer(planned, problem=problem)
    except OSError as error:
        return Answer(planned, problem=unwritable(error, run.project.layout.output))
    return Answer(planned, record=record)


def _keep(run: Run, planned: Planned, record: Record) -> None:
    """Keep what was found for the next run, under a number whose script says the same."""
    path = run.project.layout.record(record.number, planned.model)
    if run.project.layout.script(record.number, planned.model).exists():
        record = msgspec.structs.replace(
            record, number=ledger.renumber(run.project.layout, planned.model)
        )
        path = run.project.layout.record(record.number, planned.model)
    write_atomic(path, to_json(record))
