"""The `why` command: the evidence for one model's source, or for there being none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfyfix.errors import ModelProblem, SetupProblem
from comfyfix.records import Record
from comfyfix.screen import evidence, notes
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stages.work import Planned, Present
from comfyfix.tasks.commands.base import Ours
from comfyfix.tasks.names import named
from comfyfix.tasks.running import Run
from comfyfix.why import Why


class WhyOfModel(Ours):
    """Show what each source said of a model, what was rejected, and why."""

    doc_purpose = t("show the evidence: what each source said of a model")
    doc_usage = "MODEL"
    doc_description = t(
        "MODEL is a task name, a file name, or folder/path. A model without a record is searched "
        "now; nothing is written and nothing downloaded."
    )
    name = "why"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Print the ladder of each model that is named."""
        if not names:
            raise SetupProblem(Why.WHY_NEEDS_MODEL)
        runs = self.runs(options)
        models = [_told(*found) for name in names for found in named(runs, name)]
        self.told = {"models": models}
        return 0 if all(model["found"] for model in models) else 1


def _told(run: Run, item: Planned | Present) -> dict[str, Any]:
    """Print what is known of one model; returns it for programs."""
    say(item.model.key)
    record, good = None, True
    if isinstance(item, Present):
        lines = evidence.of_present(item)
    else:
        say(evidence.heading(item))
        lines, record = _ladder(run, item)
        good = record is not None
    say(*lines)
    return {"model": item.model.key, "path": item.location, "found": good, "record": record}


def _ladder(run: Run, planned: Planned) -> tuple[Iterator[str], Record | None]:
    sources = run.project.manifest.search.sources
    try:
        record = planned.record or _search(run, planned)
    except ModelProblem as problem:
        return evidence.of_problem(problem, sources), None
    return evidence.of_record(record, sources), record


def _search(run: Run, planned: Planned) -> Record:
    from comfyfix.stages import resolve  # 200 ms that only a search needs

    if planned.problem is not None:
        raise planned.problem
    notes.searching(planned.model.name)
    return resolve.resolve(planned, run.services())
