"""The services that the manifest names are told how a run has ended, once, at its end."""

from __future__ import annotations

import os

from comfyfix.disk import regular
from comfyfix.errors import ModelProblem
from comfyfix.net.notify import notices
from comfyfix.outcomes import NEEDS_USER
from comfyfix.records import Reason, because
from comfyfix.screen import notes
from comfyfix.screen.run import notice as words
from comfyfix.screen.text import say
from comfyfix.settings import notify, secrets
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.tasks.run.publishing import PAGE
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why

_PAGE_MAX = 5_000_000
"""Bytes of a report that is attached; most services take no more."""


def is_wanted(run: Run) -> bool:
    """Tell whether somebody is to be told: not of the demo, offline, or where nothing was done."""
    tally = run.tally
    if run.project.manifest.is_demo or on(OFFLINE, run.environ):
        return False
    return bool(tally.endings or tally.bad_verdicts or tally.no_room)


def tell(run: Run, *, aloud: bool) -> None:
    """Tell each service; `aloud`: who was told may be said on stdout.

    What goes wrong is one line, and no failure of the run.
    """
    ready = not (run.whole and run.refusals)
    addresses: dict[str, list[str]] = {}
    for entry in run.project.manifest.notify:
        try:
            addresses.setdefault(notify.filled(entry, run.environ), []).append(notify.label(entry))
        except notify.Unfilled as error:
            _not_told(notify.label(entry), error.reason)
    if not addresses:
        return
    notice = notices.Notice(
        title=words.title(run.tally, run.prefix, ready=ready),
        text=words.text(run.last_lines),
        kind=_kind(run, ready=ready),
        page=_page(run),
        page_name=PAGE,
    )
    try:
        environ = secrets.without_secrets(run.environ)
        failures = notices.send([*addresses], notice, run.children, environ)
    except notices.AppriseAbsent:
        notes.remark(because(Why.NOTIFY_APPRISE_ABSENT))
        return
    except ModelProblem:  # all is to stop
        return
    reached = []
    for (label, *_), failure in zip(addresses.values(), failures, strict=True):
        if failure is None:
            reached.append(label)
        else:
            _not_told(label, failure)
    if reached and aloud:
        say(words.sent(reached))


def _not_told(label: str, cause: Reason) -> None:
    notes.remark(because(Why.NOTIFY_FAILED, service=label, cause=cause))


def _kind(run: Run, *, ready: bool) -> str:
    """How grave it is, in apprise's words."""
    tally = run.tally
    problems = [ending.problem for ending in tally.endings if ending.problem]
    if tally.bad_verdicts or any(problem.outcome not in NEEDS_USER for problem in problems):
        return "failure"
    well = ready and not (problems or tally.no_room or tally.unreadable)
    return "success" if well else "warning"


def _page(run: Run) -> bytes:
    """The report, as it was just written; empty where it can't be had."""
    try:
        return regular.read(os.path.join(run.project.layout.report, PAGE), _PAGE_MAX)
    except OSError:
        return b""
