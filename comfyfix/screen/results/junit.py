"""`junit.xml`: a suite per workflow, a case per model, as test reports are read in CI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from comfyfix.disk.files import printable
from comfyfix.screen import words
from comfyfix.screen.refused import line as refused_line
from comfyfix.screen.results.shape import message
from comfyfix.screen.results.sheet import Sheet
from comfyfix.stages.reports.results import ModelResult, Report, WorkflowResult
from comfyfix.state.pieces import UNTOLD, Form, Rows, Section

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN_MAX = 4000
_COUNTED = ("tests", "failures", "errors")


def form(sheet: Sheet) -> Form:
    """The results as JUnit tells those of tests, suite by suite."""
    report, flows = sheet.report, sheet.flows
    # With a lock file alone no workflow is read: what it names has a suite of its own.
    named = {key for workflow in report.workflows for key in workflow.models}
    unnamed = tuple(key for model in report.models if (key := model.model.key) not in named)
    alone = [WorkflowResult(workflow="models", file="", models=unnamed)] if unnamed else []
    root = Element("testsuites", {"name": "comfyfix", **_total(report, [*flows.items, *alone])})
    head = tostring(root, encoding="unicode").removesuffix(" />")
    suites = Rows([*flows.items, *alone], [*flows.marks, *([UNTOLD] * len(alone))])
    before = f'<?xml version="1.0" encoding="UTF-8"?>\n{head}>\n  '.encode()
    return Form(
        (Section("suites", before, suites, b"\n  ", partial(_text, report)),),
        lambda _: b"\n</testsuites>\n",
    )


def _total(report: Report, workflows: Sequence[WorkflowResult]) -> dict[str, str]:
    """The sums of what each suite counts."""
    models = [model for workflow in workflows for model in report.of(workflow)]
    refused = sum(len(workflow.refused) for workflow in workflows)
    errors = sum(workflow.problem is not None for workflow in workflows)
    failures = refused + sum(not model.good for model in models)
    counted = (len(models) + refused + errors, failures, errors)
    return dict(zip(_COUNTED, map(str, counted), strict=True))


def _text(report: Report, workflow: WorkflowResult) -> bytes:
    suite = _suite(report, workflow)
    indent(suite, level=1)
    text: str = tostring(suite, encoding="unicode")
    return text.encode()


def _suite(report: Report, workflow: WorkflowResult) -> Element:
    cases = [_model(workflow, model) for model in report.of(workflow)]
    for value in workflow.refused:
        use = value.use
        name = f"{use.node_id} {use.node_type} {use.input}: {use.value}"
        cases.append(_case(workflow, name, "failure", "refused", refused_line(value.refusal)))
    if workflow.problem is not None:
        cause = words.sentence(workflow.problem)
        cases.append(_case(workflow, workflow.workflow, "error", "unreadable", cause))
    suite = Element("testsuite", name=_fit(workflow.workflow))
    suite.extend(cases)
    faults = [fault.tag for case in cases for fault in case]
    counts = (len(cases), faults.count("failure"), faults.count("error"))
    for counted, count in zip(_COUNTED, counts, strict=True):
        suite.set(counted, str(count))
    return suite


def _model(workflow: WorkflowResult, model: ModelResult) -> Element:
    if model.good:
        return _case(workflow, model.model.key)
    step = words.worded(model.reason).next_step if model.reason else ""
    return _case(
        workflow, model.model.key, "failure", model.outcome, message(model), step, model.task
    )


def _case(
    workflow: WorkflowResult,
    name: str,
    kind: str = "",
    outcome: str = "",
    text: str = "",
    step: str = "",
    task: str = "",
) -> Element:
    case = Element("testcase", classname=_fit(workflow.workflow), name=_fit(name))
    if kind:
        fault = SubElement(case, kind, type=_fit(outcome), message=_fit(text))
        fault.text = _fit("\n".join(filter(None, (text, step, task and f"download:{task}"))))
    return case


def _fit(text: str) -> str:
    """A text that XML may hold and a reader can look at."""
    lines = (printable(line, _SHOWN_MAX) for line in text.split("\n"))
    return _NO_XML.sub("\ufffd", "\n".join(lines))
