"""The `why` command: the evidence for one model's source, or for there being none."""

from __future__ import annotations

from typing import Any

from comfyfix.errors import ModelProblem, SetupProblem
from comfyfix.records import Record
from comfyfix.screen import notes
from comfyfix.screen.commands import evidence
from comfyfix.screen.run import choosing
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.state import searches
from comfyfix.state.searches import Search
from comfyfix.tasks.commands.base import ProjectCommand
from comfyfix.tasks.face.options import switch
from comfyfix.tasks.run import tried
from comfyfix.tasks.run.names import models_named
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


class WhyOfModel(ProjectCommand):
    """Show what each source said of a model, what was rejected, and why."""

    doc_purpose = t("show the evidence: what each source said of a model")
    doc_usage = "MODEL"
    doc_description = t(
        "MODEL is a task name, a file name, or folder/path. It shows the last search, and asks "
        "nobody; a model that was never searched is searched now. Nothing is downloaded."
    )
    cmd_options = (switch("fresh", t("search again")),)
    name = "why"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Print the ladder of each model that is named."""
        if not names:
            raise SetupProblem(Why.WHY_NEEDS_MODEL)
        runs = self.runs(options)
        every = [model for name in names for model in models_named(runs, name)]
        models = [_tell(run, item, fresh=options["fresh"]) for run, item in every]
        self.answer = {"models": models}
        return int(not all(model["found"] for model in models))


def _tell(run: Run, item: Planned | Present, *, fresh: bool) -> dict[str, Any]:
    """Print what is known of one model; returns it for programs."""
    say(item.model.key)
    answer: dict[str, Any] = {"model": item.model.key, "path": item.location}
    if isinstance(item, Present):
        say(*evidence.of_present(item))
        return {**answer, "found": True, "record": None}
    say(evidence.heading(item))
    sources = run.project.manifest.search.sources
    record, search = record_or_search(run, item, fresh=fresh)
    if record is not None:
        say(*evidence.of_record(record, sources))
        return {**answer, "found": True, "record": record}
    say(*evidence.of_search(search, item.model, sources) if search else ())
    shown = choosing.as_data(item.model, search, search.candidates if search else ())
    return {**answer, "found": False, "record": None, "search": shown}


def record_or_search(
    run: Run, planned: Planned, *, fresh: bool
) -> tuple[Record | None, Search | None]:
    """Where a model is from, or how its last search ended; it is searched if neither is known."""
    if not fresh and planned.record is not None:
        return planned.record, None
    if not fresh and (last := tried.last_search(run, planned)):
        return None, last
    try:
        if planned.problem is not None:
            raise planned.problem
        notes.searching(planned.model.name)
        return tried.search(run, planned), None
    except ModelProblem as problem:
        return None, searches.ended(planned.model, problem)
