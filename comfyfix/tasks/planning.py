"""The `plan` command: searches for what is pending, writes the records, downloads nothing."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from comfyfix import ledger
from comfyfix.errors import Problem
from comfyfix.files import write_atomic
from comfyfix.records import Record, to_json
from comfyfix.sources import hub
from comfyfix.stages import preview as preview_stage
from comfyfix.stages import resolve as resolve_stage
from comfyfix.stages.plan import Planned
from comfyfix.stages.preview import Answer
from comfyfix.tasks.build import MANIFEST, Build, open_build
from comfyfix.tasks.commands import JSON_OPTION, Ours, say
from comfyfix.tasks.console import fitted, paint


class Plan(Ours):
    """Show what a run would download."""

    doc_purpose = "search, and show what a run would download; downloads nothing"
    doc_usage = ""
    doc_description = "The sources that it finds are kept, so that the next run starts at once."
    cmd_options = (JSON_OPTION,)
    name = "plan"

    def work(self, options: dict[str, Any], names: list[str]) -> int:  # noqa: ARG002 - one interface
        """Search and print."""
        build = open_build(Path(MANIFEST))
        pending = build.plan.pending
        if pending:
            print(f"Searching for {len(pending)} models …", file=sys.stderr)  # noqa: T201
        with ThreadPoolExecutor(build.manifest.search.parallel) as pool:
            answers = list(pool.map(lambda planned: _answer(build, planned), pending))
        reserve = build.manifest.download.reserve_bytes
        view = preview_stage.preview(answers, build.folders.store, reserve)
        if options["as_json"]:
            sys.stdout.write(
                msgspec.json.format(msgspec.json.encode(view), indent=1).decode() + "\n"
            )
        else:
            for line in preview_stage.table(view, build.folders.store):
                say(paint(fitted(line)))
            for line in preview_stage.advice(view, build.folders.store):
                say(paint(line))
        return 1 if any(row.problem for row in view.models) or not view.fits else 0


def _answer(build: Build, planned: Planned) -> Answer:
    try:
        if planned.problem is not None:
            raise planned.problem
        record = planned.record
        if record is None or not resolve_stage.still_wanted(record, planned):
            record = resolve_stage.resolve(planned, build.services())
            _keep(build, planned, record)
        licence = hub.licence(record.where, build.services()) if hub.is_ours(record.url) else ""
    except Problem as problem:
        return Answer(planned, problem=problem)
    return Answer(planned, record=record, licence=licence)


def _keep(build: Build, planned: Planned, record: Record) -> None:
    """Keep what was found for the next run, under a number whose script says the same."""
    path = build.layout.record(record.number, planned.model)
    if build.layout.script(record.number, planned.model).exists():
        record = msgspec.structs.replace(
            record, number=ledger.renumber(build.layout, planned.model)
        )
        path = build.layout.record(record.number, planned.model)
    write_atomic(path, to_json(record))
