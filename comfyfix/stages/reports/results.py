"""Results: how each model and each workflow stands, as one record that every format tells.

It is made of what is known at rest (the plan, the ledger, the receipts), so that the same is told
after a run and at any later time, as long as nothing has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal

import msgspec

from comfyfix.comfyui.workflows.node_lines import NodeLines
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Model, Reason, Receipt, Record, Reference, Verdict
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Pending, Plan, Planned, Present
from comfyfix.stages.values.refused import Refusal
from comfyfix.state import ledger, receipts
from comfyfix.state.layout import Layout
from comfyfix.state.ledger import Entry

Status = Literal["ok", "unverified", "missing", "failed"]
"""There and right; there, as far as can be seen; not there yet; tried, or not to be had."""
LINES_MAX = 200
"""Workflows whose lines are looked for: who has more at fault reads no annotations."""


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a workflow: a node and its input; `line` where its file has lines."""

    workflow: str
    node_id: str
    node_type: str
    input: str
    value: str
    line: int | None = None


class ModelResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one model stands, and what is known of its file.

    `outcome` is the word of its newest try, or why there is work to do; `reason` why it is not
    there, as far as that is known. `number` and `task` are of a model with a task. `receipt` is of
    the file that is there, if it has one. `came`: how that came, as far as this project has had
    part in it.
    """

    model: Model
    status: Status
    outcome: str
    reason: Reason | None = None
    number: int | None = None
    task: str = ""
    size: int | None = None
    sha256: str | None = None
    record: Record | None = None
    receipt: Receipt | None = None
    came: Came | None = None
    uses: tuple[Use, ...] = ()

    @property
    def good(self) -> bool:
        """Tell whether it is there."""
        return self.status in ("ok", "unverified")


class RefusedValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value that ComfyUI refuses; `instead` is what it takes, None where nothing is there."""

    refusal: Refusal
    use: Use


class WorkflowResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one workflow stands: its models by key, the values that are refused.

    `problem` is why it can't be read, `line` where in its file.
    """

    workflow: str
    file: str
    models: tuple[str, ...] = ()
    refused: tuple[RefusedValue, ...] = ()
    problem: Reason | None = None
    line: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """How everything stands that the workflows of a project need."""

    models: tuple[ModelResult, ...] = ()
    workflows: tuple[WorkflowResult, ...] = ()

    @cached_property
    def _by_key(self) -> dict[str, ModelResult]:
        return {result.model.key: result for result in self.models}  # asked for each workflow

    def of(self, workflow: WorkflowResult) -> list[ModelResult]:
        """The models of one workflow."""
        return [self._by_key[key] for key in workflow.models if key in self._by_key]

    def is_ready(self, workflow: WorkflowResult) -> bool:
        """Tell whether ComfyUI would take all that a workflow names."""
        return workflow.workflow in self._ready

    @cached_property
    def _ready(self) -> frozenset[str]:  # every format asks for each
        lacking = {result.model.key for result in self.models if not result.good}
        return frozenset(
            w.workflow
            for w in self.workflows
            if w.problem is None and not w.refused and lacking.isdisjoint(w.models)
        )

    @property
    def good(self) -> bool:
        """Tell whether nothing is left to be done."""
        return all(map(self.is_ready, self.workflows)) and all(m.good for m in self.models)


class History:
    """What is known besides the plan: tries, receipts, and what this run has found wrong.

    Files are read where the plan does not say it all: of twenty thousand models they are large.
    """

    def __init__(self, layout: Layout, verdicts: Mapping[str, Verdict]) -> None:
        self._layout = layout
        self.verdicts = verdicts

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """What the ledger has of each model. Raises OSError, SetupProblem."""
        return ledger.load(self._layout).models

    @cached_property
    def receipts(self) -> Mapping[str, Receipt]:
        """Our own receipts, by model. Raises OSError, SetupProblem."""
        return receipts.load(self._layout)


def make(
    plan: Plan, scanned: Iterable[ScannedFile], refusals: Iterable[Refusal], history: History
) -> Report:
    """Make the report. Nothing is written. Raises OSError, SetupProblem."""
    files = [file for file in scanned if file.is_workflow or file.problem]
    lines = _Lines(files)
    models = [_of_planned(planned, history, lines) for planned in plan.models]
    models += [_of_present(present, history, lines) for present in plan.present]
    refused: dict[str, list[RefusedValue]] = {}
    for refusal in refusals:
        reference = refusal.reference
        value = RefusedValue(refusal=refusal, use=lines.use(reference))
        refused.setdefault(reference.workflow, []).append(value)
    return Report(
        models=tuple(sorted(models, key=lambda result: result.model.key)),
        workflows=tuple(
            WorkflowResult(
                workflow=file.workflow,
                file=file.path,
                models=plan.workflows.get(file.workflow, ()),
                refused=tuple(refused.get(file.workflow, ())),
                problem=file.problem,
                line=_line_of(file.problem),
            )
            for file in files
        ),
    )


class _Lines:
    """Lines of nodes, read where somebody is to look at them."""

    def __init__(self, files: Iterable[ScannedFile]) -> None:
        self._paths = {file.workflow: file.path for file in files}
        self._read: dict[str, NodeLines] = {}

    def use(self, reference: Reference, *, with_line: bool = True) -> Use:
        """One place; its line only where somebody is to look at it."""
        workflow = reference.workflow
        if with_line and workflow not in self._read and len(self._read) < LINES_MAX:
            self._read[workflow] = NodeLines(self._paths.get(workflow, ""))
        lines = self._read.get(workflow) if with_line else None
        return Use(
            workflow=workflow,
            node_id=reference.node_id,
            node_type=reference.node_type,
            input=reference.input,
            value=str(reference.value),
            line=lines.of(reference.node_id, reference.node_type) if lines else None,
        )


def _of_planned(planned: Planned, history: History, lines: _Lines) -> ModelResult:
    record, last, is_pending = planned.record, planned.last, planned.pending is not None
    receipt = None if is_pending else planned.receipt
    if is_pending:
        status, outcome, reason = _of_pending(planned, history)
    else:
        members = record.members if record and record.files else ()
        receipts = [history.receipts.get(m.model.key) for m in members] or [receipt]
        proven = all(r is None or r.verified for r in receipts)
        status, outcome, reason = "ok" if proven else "unverified", str(Outcome.DONE), None
    content = receipt or record
    return ModelResult(
        model=planned.model,
        status=status,
        outcome=outcome,
        reason=reason,
        number=planned.number if planned.reserved else None,
        task=planned.task,
        size=content.size if content else None,
        sha256=content.sha256 if content else None,
        record=record,
        receipt=receipt,
        came=None if is_pending else (last.came if last else None) or Came.THERE,
        uses=tuple(lines.use(each, with_line=is_pending) for each in planned.references),
    )


def _of_pending(planned: Planned, history: History) -> tuple[Status, str, Reason | None]:
    """What is known of why a model is not there: of this run, of its tries, of its name."""
    key = planned.model.key
    verdict, entry = history.verdicts.get(key), history.entries.get(key)
    newest = entry.attempts[-1] if entry and entry.attempts else None
    if verdict is not None and verdict.status != "missing":
        return "failed", verdict.status, verdict.reason
    if planned.problem is not None:
        return "failed", str(planned.problem.outcome), planned.problem.reason
    if newest is not None and newest.outcome != Outcome.DONE:
        return "failed", newest.outcome, newest.reason
    return "missing", str(planned.pending or Pending.ABSENT), None


def _of_present(present: Present, history: History, lines: _Lines) -> ModelResult:
    receipt = history.receipts.get(present.model.key) or present.receipt
    verdict = history.verdicts.get(present.model.key)
    bad = verdict if verdict is not None and not verdict.good else None
    proven = receipt is not None and receipt.verified
    return ModelResult(
        model=present.model,
        status="failed" if bad else "ok" if proven else "unverified",
        outcome=bad.status if bad else str(Outcome.DONE),
        reason=bad.reason if bad else None,
        size=present.size,
        sha256=receipt.sha256 if receipt else None,
        receipt=receipt,
        came=None if bad else Came.THERE,
        uses=tuple(lines.use(each, with_line=bad is not None) for each in present.references),
    )


def _line_of(problem: Reason | None) -> int | None:
    line = problem.told.get("line") if problem else None
    return line if isinstance(line, int) else None
