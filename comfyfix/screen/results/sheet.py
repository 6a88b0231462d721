"""What a format is made of: a report, and what tells each row of it from what it was before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from comfyfix.stages.reports.results import ModelResult, Report, WorkflowResult
from comfyfix.state.pieces import Rows, mark_of


@dataclass(frozen=True, slots=True)
class Sheet:
    """A report, its models and its workflows as rows; `root` is what paths are told from.

    A workflow is told from another by its models too: how it stands depends on them.
    """

    report: Report
    root: Path
    models: Rows[ModelResult]
    flows: Rows[WorkflowResult]


def of(report: Report, root: Path) -> Sheet:
    """The sheet of a report, its rows marked."""
    marks = {result.model.key: mark_of(result) for result in report.models}
    flows = [
        mark_of(flow, *(marks[key] for key in flow.models if key in marks))
        for flow in report.workflows
    ]
    models = Rows(report.models, list(marks.values()))
    return Sheet(report, root, models, Rows(report.workflows, flows))
