"""`report.md`: the results for people, in a repository or as the summary of a job."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from comfyfix.disk.files import human_size, printable
from comfyfix.screen import words
from comfyfix.screen.refused import line as refused_line
from comfyfix.screen.refused import next_step
from comfyfix.screen.results.shape import message, standing
from comfyfix.screen.words import t
from comfyfix.stages.reports.results import ModelResult, Report

ROWS_MAX = 500
"""Rows of one table; GitHub takes a summary of a megabyte."""
_CELL_MAX = 400
_MARKS = {"ok": "✅", "unverified": "☑️", "missing": "⬜", "failed": "❌"}
_SPECIAL = re.compile(r"([\\`*_\[\]>#|~@]|:(?=//))")


def markdown(report: Report) -> bytes:
    """The results as Markdown; names of strangers are shown as they are and mean nothing."""
    return ("\n".join(_lines(report)).rstrip() + "\n").encode("utf-8", "replace")


def _lines(report: Report) -> Iterator[str]:
    there = sum(model.good for model in report.models)
    ready = sum(map(report.is_ready, report.workflows))
    yield f"# comfyfix: {t('all is there') if report.good else t('not all is there')}"
    yield ""
    yield (
        t("{there} of {models} models are there;", there=there, models=len(report.models))
        + " "
        + t("{ready} of {all} workflows are ready.", ready=ready, all=len(report.workflows))
    )
    came = Counter(model.came for model in report.models if model.came)
    if came:
        yield t("How they came: {told}.", told=tuple(f"{how} {came[how]}" for how in came))
    bad = [model for model in report.models if not model.good]
    if bad:
        yield from ("", f"## {t('Not there')}", "")
        yield from _table((t("Model"), t("Why"), t("Next"), t("Needed by")), _fault, bad)
    yield from _workflows(report)
    good = [model for model in report.models if model.good]
    if good:
        yield from ("", f"## {t('There')}", "")
        yield from _table((t("Model"), t("Size"), "sha256", t("From"), t("Licence")), _fine, good)


def _workflows(report: Report) -> Iterator[str]:
    unready = [workflow for workflow in report.workflows if not report.is_ready(workflow)]
    if not unready:
        return
    yield from ("", f"## {t('Workflows that are not ready')}", "")
    for workflow in unready[:ROWS_MAX]:
        yield f"- {_plain(workflow.workflow)}: {t(standing(report, workflow))}"
        if workflow.problem is not None:
            yield f"  - {_plain(words.sentence(workflow.problem))}"
        refusals = dict.fromkeys(refused_line(value.refusal) for value in workflow.refused)
        yield from (f"  - {_plain(refusal)}" for refusal in refusals)
        yield from (f"  - {t('Next:')} {next_step()}",) if refusals else ()


def _fault(model: ModelResult) -> tuple[str, ...]:
    step = words.worded(model.reason).next_step if model.reason else t("run `doit` to fetch it")
    workflows = ", ".join(dict.fromkeys(use.workflow for use in model.uses))
    return (
        f"{_MARKS[model.status]} {_plain(model.model.key)}",
        _plain(message(model)),
        _plain(step),
        _plain(workflows),
    )


def _fine(model: ModelResult) -> tuple[str, ...]:
    record = model.record
    return (
        f"{_MARKS[model.status]} {_plain(model.model.key)}",
        human_size(model.size),
        f"`{model.sha256[:12]}`" if model.sha256 else "",
        _plain(record.where) if record else "",
        _plain(record.licence) if record else "",
    )


def _table(
    heading: tuple[str, ...],
    row: Callable[[ModelResult], tuple[str, ...]],
    models: Sequence[ModelResult],
) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{' --- |' * len(heading)}"
    yield from (f"| {' | '.join(row(model))} |" for model in models[:ROWS_MAX])
    if more := len(models[ROWS_MAX:]):
        yield f"| {t('and {count} more', count=more)} |{' |' * (len(heading) - 1)}"


def _plain(text: str) -> str:
    """A text that is no Markdown and no HTML, whatever is in it."""
    escaped = _SPECIAL.sub(r"\\\1", printable(text, _CELL_MAX))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
