"""What services are told of a run: a title that says how it ended, and its last lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from comfyfix.outcomes import NEEDS_USER
from comfyfix.screen.text import clean
from comfyfix.screen.words import t
from comfyfix.stages.reports.tally import Tally

TEXT_MAX = 20_000
"""Characters of the text: the report has the rest."""
_CALL = re.compile(r"(?<=@)(?=everyone|here|channel|all)|(?<=<)(?=[@!#&])", re.IGNORECASE)
"""Where a name from outside would call all who are in a chat."""


def title(tally: Tally, project: str, *, ready: bool) -> str:
    """Say in one line how a run ended; `project` is named where there are several.

    `ready`: no workflow has values that ComfyUI refuses.
    """
    end = ", ".join(_wanting(tally, ready=ready))
    if not end:
        done = sum(ending.problem is None for ending in tally.endings)
        end = t("all well, {done:models} done", done=done)
    return f"comfyfix {project}: {end}" if project else f"comfyfix: {end}"


def _wanting(tally: Tally, *, ready: bool) -> Iterator[str]:
    failed = {ending.model.key: ending.problem for ending in tally.endings if ending.problem}
    bad = {verdict.model for verdict in tally.bad_verdicts} - failed.keys()
    missing = len(failed.keys() | tally.no_room)
    yours = sum(problem.outcome in NEEDS_USER for problem in failed.values())
    if missing:
        yield t("1 model is missing") if missing == 1 else t("{n} models are missing", n=missing)
    if yours:
        yield t("1 needs you") if yours == 1 else t("{n} need you", n=yours)
    if bad:
        yield t("{n:files} not right", n=len(bad))
    if tally.unreadable or (not ready and not missing):
        yield t("not all workflows are ready")


def text(lines: Iterable[str]) -> str:
    """The lines that a run ended with, as a message: nobody is called by what a model is named."""
    message = "\n".join(clean(line) for line in lines).strip("\n")
    return _CALL.sub("\u200b", message)[:TEXT_MAX]


def sent(services: list[str]) -> str:
    """Say who was told."""
    return t("  Told: {services}", services=tuple(services))
