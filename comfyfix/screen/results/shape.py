"""`report.json`: its shape, which others rely on, and its JSON Schema.

What changes here in a way that breaks a reader raises `version`.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from comfyfix.disk.files import clean_text
from comfyfix.outcomes import Came
from comfyfix.records import Reason, to_json
from comfyfix.screen import words
from comfyfix.screen.refused import line as refused_line
from comfyfix.screen.results import objects
from comfyfix.screen.results.objects import Listed
from comfyfix.screen.results.sheet import Sheet
from comfyfix.stages.reports.results import (
    ModelResult,
    RefusedValue,
    Report,
    Status,
    Use,
    WorkflowResult,
)
from comfyfix.state.layout import script_name
from comfyfix.state.pieces import Form
from comfyfix.version import __version__

Standing = Literal["ready", "lacks models", "not ready", "unreadable"]
PROGRAM = f"comfyfix {__version__}"
"""What has made a report."""
_HEAD: dict[str, Any] = {"version": 1, "program": PROGRAM}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A reason: its stable name, a sentence, and what helps (may be empty)."""

    why: str
    message: str
    next: str


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `size` in bytes; `uses` are the places that name it.

    `where` is its repository or page (none for files of this machine), `evidence` why it was
    taken. `came`: how its file came to its place, whichever run of this project brought it; null
    while it is not there. `mirror` is the mirror that its bytes came from, if they
    did. `script` is the newest one in `output/`, `at` when the file was seen to be right (UTC, ISO
    8601).
    """

    model: str
    folder: str | None
    path: str
    status: Status
    outcome: str
    came: Came | None
    mirror: str | None
    reason: Told | None
    number: int | None
    task: str | None
    size: int | None
    sha256: str | None
    source: str | None
    where: str | None
    evidence: tuple[str, ...]
    url: str | None
    repo: str | None
    commit: str | None
    licence: str | None
    publisher: str | None
    base_model: str | None
    script: str | None
    at: str | None
    uses: tuple[Use, ...]


class ValueRow(msgspec.Struct, frozen=True, kw_only=True):
    """A value that ComfyUI refuses though no download helps; `instead` is what it takes."""

    node_id: str
    node_type: str
    input: str
    value: str
    instead: str | None
    line: int | None
    message: str


class WorkflowRow(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow. `file` is its path, below the folder of the manifest where it lies there."""

    workflow: str
    file: str
    status: Standing
    models: tuple[str, ...]
    refused: tuple[ValueRow, ...]
    reason: Told | None
    line: int | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each there are; the last five are how those came that are there."""

    models: int
    ok: int
    unverified: int
    missing: int
    failed: int
    workflows: int
    ready: int
    fetched: int
    fetched_by_others: int
    copied: int
    linked: int
    there_before: int


class ReportFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `report.json`."""

    version: Literal[1]
    program: str
    good: bool
    counts: Counts
    models: tuple[ModelRow, ...]
    workflows: tuple[WorkflowRow, ...]


def schema() -> bytes:
    """The JSON Schema of `report.json`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "report.json"}
    return to_json(head | msgspec.json.schema(ReportFile))


def form(sheet: Sheet) -> Form:
    """`report.json`, row by row."""
    report = sheet.report
    flow = partial(flow_row, report, root=sheet.root)
    lists = {
        "models": Listed(((sheet.models, model_row),)),
        "workflows": Listed(((sheet.flows, flow),)),
    }
    return objects.form({"counts": counts(report), "good": report.good, **_HEAD, **lists})


def shaped(report: Report, root: Path) -> ReportFile:
    """The report as others read it; `root` is the folder that paths are told from."""
    return ReportFile(
        **_HEAD,
        good=report.good,
        counts=counts(report),
        models=tuple(map(model_row, report.models)),
        workflows=tuple(flow_row(report, workflow, root) for workflow in report.workflows),
    )


def counts(report: Report) -> Counts:
    """How many there are of each."""
    states = Counter(model.status for model in report.models)
    came = Counter(model.came for model in report.models)
    return Counts(
        models=len(report.models),
        ok=states["ok"],
        unverified=states["unverified"],
        missing=states["missing"],
        failed=states["failed"],
        workflows=len(report.workflows),
        ready=sum(map(report.is_ready, report.workflows)),
        fetched=came[Came.FETCHED],
        fetched_by_others=came[Came.OTHERS],
        copied=came[Came.COPIED],
        linked=came[Came.LINKED],
        there_before=came[Came.THERE],
    )


def standing(report: Report, workflow: WorkflowResult) -> Standing:
    """How a workflow stands, in the words that `report.json` has."""
    if workflow.problem is not None:
        return "unreadable"
    if not all(model.good for model in report.of(workflow)):
        return "lacks models"
    return "not ready" if workflow.refused else "ready"


def file_of(workflow: WorkflowResult, root: Path | str) -> str:
    """The path of a workflow's file from a folder, if it lies there; links are no other place."""
    path = _below(workflow.file, f"{root}/") or os.path.relpath(workflow.file, root)
    if _leads_out(path):
        path = os.path.relpath(os.path.realpath(workflow.file), os.path.realpath(root))
    return clean_text(workflow.file if _leads_out(path) else path)


def _leads_out(path: str) -> bool:
    return path.partition("/")[0] == ".."


def _below(path: str, folder: str) -> str:
    """The rest of a path that is plainly below a folder, as nearly all are."""
    plain = not ("//" in path or "/." in path or path.endswith("/"))
    below = path.startswith(folder) and folder.startswith("/")
    return path.removeprefix(folder) if plain and below else ""


def message(model: ModelResult) -> str:
    """Why a model is not there, in a sentence."""
    return words.sentence(model.reason) if model.reason else model.outcome


def _maybe_told(reason: Reason | None) -> Told | None:
    if reason is None:
        return None
    return Told(why=reason.why, message=words.sentence(reason), next=words.worded(reason).next_step)


def model_row(result: ModelResult) -> ModelRow:
    """One model as others read it."""
    record = result.record
    return ModelRow(
        model=result.model.key,
        folder=result.model.folder,
        path=result.model.path,
        status=result.status,
        outcome=result.outcome,
        came=result.came,
        mirror=(result.receipt.mirror or None) if result.receipt else None,
        reason=_maybe_told(result.reason),
        number=result.number,
        task=result.task or None,
        size=result.size,
        sha256=result.sha256,
        source=record.source if record else None,
        where=(record.where or None) if record and not record.local else None,
        evidence=tuple(map(words.sentence, record.evidence)) if record else (),
        url=(record.url or None) if record else None,
        repo=(record.repo or None) if record else None,
        commit=(record.commit or None) if record else None,
        licence=(record.licence or None) if record else None,
        publisher=(record.publisher or None) if record else None,
        base_model=(record.base_model or None) if record else None,
        script=script_name(record.number, record.model) if record else None,
        at=result.receipt.at if result.receipt else None,
        uses=result.uses,
    )


def flow_row(report: Report, result: WorkflowResult, root: Path) -> WorkflowRow:
    """One workflow as others read it."""
    return WorkflowRow(
        workflow=result.workflow,
        file=file_of(result, root),
        status=standing(report, result),
        models=result.models,
        refused=tuple(map(_value, result.refused)),
        reason=_maybe_told(result.problem),
        line=result.line,
    )


def _value(value: RefusedValue) -> ValueRow:
    use = value.use
    return ValueRow(
        node_id=use.node_id,
        node_type=use.node_type,
        input=use.input,
        value=use.value,
        instead=value.refusal.instead,
        line=use.line,
        message=refused_line(value.refusal),
    )
