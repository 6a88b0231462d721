"""What is at fault, each once and at its place: what annotations and reports of quality are of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfyfix.disk.files import printable
from comfyfix.records import to_json
from comfyfix.screen import words
from comfyfix.screen.refused import line as refused_line
from comfyfix.screen.refused import next_step
from comfyfix.screen.results.shape import file_of
from comfyfix.screen.words import t
from comfyfix.stages.reports.results import ModelResult, Report

SHOWN_MAX = 4000
"""Letters of one annotation: more than a screen of it nobody reads."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, what is wrong, and the file and line where it shows, if there is one."""

    kind: str
    subject: str
    text: str
    file: str = ""
    line: int | None = None


def faults(report: Report, root: Path | str) -> Iterator[Fault]:
    """All faults; `root` is the folder that files are told from."""
    files: dict[str, str] = {}
    for workflow in report.workflows:
        file = files[workflow.workflow] = file_of(workflow, root)
        if workflow.problem is not None:
            cause = words.sentence(workflow.problem)
            text = t("{path} can't be read: {cause}", path=workflow.workflow, cause=cause)
            yield Fault("workflow", workflow.workflow, text, file, workflow.line)
        for value in workflow.refused:
            text = f"{refused_line(value.refusal)}. {t('Next:')} {next_step()}"
            yield Fault("value", value.use.value, text, file, value.use.line)
    for model in report.models:
        if not model.good:
            use = model.uses[0] if model.uses else None
            file = files.get(use.workflow, "") if use else ""
            yield Fault("model", model.model.key, _text(model), file, use.line if use else None)


def _text(model: ModelResult) -> str:
    if model.reason is None:
        return f"{model.model.key}: {model.outcome}"
    step = words.worded(model.reason).next_step
    failure = f"{model.model.key}: {words.sentence(model.reason)}"
    return f"{failure}. {t('Next:')} {step}" if step else failure


def annotation(fault: Fault) -> str:
    """A fault as GitHub Actions shows it beside its line."""
    file = f"file={_field(fault.file)}," if fault.file else ""
    line = f"line={fault.line}," if fault.file and fault.line else ""
    return f"::error {file}{line}title=comfyfix::{_escaped(fault.text[:SHOWN_MAX])}"


def quality(report: Report, root: Path | str) -> bytes:
    """The faults as GitLab's report of code quality."""
    rows: list[dict[str, Any]] = [
        {
            "description": printable(fault.text, SHOWN_MAX),
            "check_name": f"comfyfix-{fault.kind}",
            "fingerprint": _fingerprint(fault),
            "severity": "blocker" if fault.kind == "workflow" else "major",
            "location": {
                "path": fault.file or "manifest.yaml",
                "lines": {"begin": fault.line or 1},
            },
        }
        for fault in faults(report, root)
    ]
    return to_json(rows)


def _fingerprint(fault: Fault) -> str:
    """What tells a fault from others, and is the same in the next run."""
    identity = f"{fault.kind}\0{fault.subject}\0{fault.file}"
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()


def _escaped(text: str) -> str:
    lines = (printable(line, len(line)).replace("%", "%25") for line in text.split("\n"))
    return "%0A".join(lines)


def _field(value: str) -> str:
    return _escaped(value).replace(":", "%3A").replace(",", "%2C")
