"""`report.html`: the results as a page that needs no network, made of what `report.json` holds."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from comfyfix import templates
from comfyfix.disk.files import human_size, printable
from comfyfix.screen import pages
from comfyfix.screen.results.shape import (
    PROGRAM,
    Counts,
    ModelRow,
    ReportFile,
    WorkflowRow,
    counts,
    flow_row,
    model_row,
)
from comfyfix.screen.results.sheet import Sheet
from comfyfix.screen.words import t
from comfyfix.stages.reports.results import ModelResult
from comfyfix.state.pieces import Form, Rows, Section, whole

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

SHOWN_MAX = 600
"""Letters of one text from outside, and with `USERS_MAX` what keeps a page small."""
USERS_MAX = 12
"""Workflows that are named with one model."""
_STATUSES = ("failed", "missing", "unverified", "ok")
_THERE = ("unverified", "ok")
_ROWS = "\0"
"""Where rows are put: no text of a page has it."""
_TYPED = re.compile("`([^`]+)`")


def page(report: ReportFile) -> bytes:
    """The results as HTML. Texts of strangers are text there, and links lead to the web only."""
    there = {model.model: model.status in _THERE for model in report.models}
    of_rows = _Page(report.program, report.counts, there, _same, _same)
    return whole(of_rows.form(Rows.untold(report.models), Rows.untold(report.workflows)))


def form(sheet: Sheet) -> Form:
    """The same, row by row."""
    report = sheet.report
    there = {result.model.key: result.good for result in report.models}
    flow = partial(flow_row, report, root=sheet.root)
    of_results = _Page(PROGRAM, counts(report), there, model_row, flow)
    return of_results.form(sheet.models, sheet.flows)


def _same(row: Any) -> Any:
    return row


@dataclass(frozen=True, slots=True)
class _Page:
    """A page: its head, which models are there, and what makes rows of `report.json`."""

    program: str
    counts: Counts
    there: Mapping[str, bool]
    model: Callable[[Any], ModelRow]
    flow: Callable[[Any], WorkflowRow]

    def form(self, models: Rows[Any], flows: Rows[Any]) -> Form:
        style, script = templates.text("report/page.css"), templates.text("report/page.js")
        module = _template().make_module(
            {
                "program": self.program,
                "rows": _ROWS,
                "there": self._there,
                "style": style,
                "style_hash": _hash(style),
                "script": script,
                "script_hash": _hash(script),
                **_summary(self.counts),
            }
        )
        head, middle, end = _bytes(str(module)).split(_ROWS.encode())
        macros: Any = module

        def model(item: Any) -> bytes:
            return _bytes(macros.model_row(self.model(item)))

        def flow(item: Any) -> bytes:
            return _bytes(macros.flow_row(self.flow(item)))

        sections = (
            Section("models", head, models.by(_place), b"", model),
            Section("flows", middle, flows, b"", flow),
        )
        return Form(sections, lambda _: end)

    def _there(self, flow: WorkflowRow) -> str:
        needed = [self.there[key] for key in flow.models if key in self.there]
        if not needed:
            return t("no models")
        return t("{there} of {all} models", there=sum(needed), all=len(needed))


def _place(model: ModelRow | ModelResult) -> int:
    return _STATUSES.index(model.status)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _summary(counts: Counts) -> dict[str, Any]:
    """All words of the page, and its numbers."""
    there = counts.ok + counts.unverified
    states = pages.states()
    by_status = [(status, getattr(counts, status)) for status in _STATUSES]
    return {
        "headline": t("{there} of {models} models are there", there=there, models=counts.models),
        "ready_line": t(
            "{ready} of {all} workflows are ready.", ready=counts.ready, all=counts.workflows
        ),
        "bar": _bar(by_status, counts.models),
        "bar_label": ", ".join(f"{count} {states[status]}" for status, count in by_status),
        "counts": by_status,
        "states": states,
        "marks": {"ready": "ok", "unreadable": "failed", "not ready": "failed"}
        | {"lacks models": "missing"},
        "columns": (
            ("status", t("Status")),
            ("name", t("Model")),
            ("size", t("Size")),
            ("source", t("From")),
            ("licence", t("Licence")),
            ("hash", "sha256"),
            ("at", t("Seen to be right")),
        ),
        "w": pages.words()
        | {
            "no_folder": t("folder unknown"),
            "needed": t("Needed by"),
            "address": t("Address"),
            "evidence": t("Why this file"),
            "publisher": t("Publisher"),
            "base": t("Based on"),
            "commit": t("Commit"),
            "script": t("Script"),
            "task": t("Task"),
        },
    }


def _bar(counts: Iterable[tuple[str, int]], total: int) -> list[dict[str, Any]]:
    """The parts of the bar, from what is there to what failed, in percent of its width."""
    parts, begin = [], 0.0
    for status, count in reversed(list(counts)):
        width = 100 * count / (total or 1)
        parts.append({"status": status, "x": round(begin, 2), "width": round(width, 2)})
        begin += width
    return parts


@functools.cache
def _template() -> jinja2.Template:
    environment = templates.environment()
    environment.filters |= {
        "flow_id": _flow_id,
        "flows": _flows,
        "clean": lambda text: printable(text or "", SHOWN_MAX),
        "is_link": _is_link,
        "size": lambda size: human_size(size) if size is not None else "",
        "typed": _typed,
        "users": _users,
    }
    return environment.get_template("report/page.html.j2")


def _is_link(url: str) -> bool:
    """Tell whether a browser would take it for an address of the web, and nothing else."""
    try:
        return urlsplit(url).scheme in ("http", "https") and url.isprintable()
    except ValueError:
        return False


def _typed(text: str) -> Markup:
    """What people type, between backticks, as code."""
    from markupsafe import Markup, escape

    return Markup(_TYPED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _users(model: ModelRow) -> str:
    names = list(dict.fromkeys(use.workflow for use in model.uses))
    more = len(names) - USERS_MAX
    shown = ", ".join(printable(name) for name in names[:USERS_MAX])
    return shown + (t(" and {count} more", count=more) if more > 0 else "")


def _flows(model: ModelRow) -> str:
    """The workflows that need a model, for the page's own filter."""
    return " ".join(sorted({_flow_id(use.workflow) for use in model.uses}))


@functools.cache
def _flow_id(workflow: str) -> str:
    """A short name of a workflow, the same whatever other workflows there are."""
    digest = hashlib.blake2b(workflow.encode("utf-8", "replace"), digest_size=6).digest()
    return base64.urlsafe_b64encode(digest).decode()


def _hash(text: str) -> str:
    """What the page's own policy lets run: just this text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
