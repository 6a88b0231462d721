"""The `plan` command: searches for what is pending, writes the records, downloads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from comfyfix.errors import Unreachable
from comfyfix.records import Reason
from comfyfix.screen import notes
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.run import preview
from comfyfix.screen.run.preview import Answer, Preview
from comfyfix.screen.text import room, say
from comfyfix.screen.words import t
from comfyfix.tasks.commands.base import ProjectCommand, project_heading
from comfyfix.tasks.face.options import JSON_OPTION
from comfyfix.tasks.run import tried
from comfyfix.tasks.run.names import keys_by_run
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.searching import ModelSearch, search_and_keep, side_by_side


class Plan(ProjectCommand):
    """Show what a run would download."""

    doc_purpose = t("search, and show what a run would download; downloads nothing")
    doc_usage = "[MODEL ...]"
    doc_description = t(
        "MODEL is a task name, a file name, or folder/path; `workflow:NAME` is its models. Without "
        "MODEL: all that are pending. The sources that it finds are kept, so that the next run "
        "starts at once."
    )
    cmd_options = (JSON_OPTION,)
    name = "plan"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Search and print."""
        runs = self.runs(options)
        models = keys_by_run(runs, names) if names else dict.fromkeys(runs)
        answers = {run: _answers(run, keys) for run, keys in models.items()}
        previews = {run: _preview(run, of_run) for run, of_run in answers.items()}
        if options["as_json"]:
            say_json_of({run.prefix: view for run, view in previews.items()})
        else:
            for run, view in previews.items():
                store = run.project.folders.store
                say(*project_heading(run.prefix), *preview.table(view, store, room()))
                say(*preview.advice(view, store, _cut_off(answers[run])))
        good = all(v.fits and all(row.found for row in v.models) for v in previews.values())
        unreadable = not names and any(run.project.plan.unreadable for run in runs)
        return int(unreadable or not good)


def _cut_off(answers: Sequence[Answer]) -> list[tuple[str, Reason]]:
    """The models of which nobody could be asked."""
    return [
        (answer.planned.model.key, answer.problem.reason)
        for answer in answers
        if isinstance(answer.problem, Unreachable)
    ]


def _preview(run: Run, answers: Sequence[Answer]) -> Preview:
    reserve = run.project.manifest.download.reserve_bytes
    return preview.preview(answers, run.project.folders.store, reserve, run.group("download"))


def _answers(run: Run, keys: Sequence[str] | None) -> list[Answer]:
    """Search what is pending, of all models or of those that are named."""
    run.reserve()
    notes.unreadable(run.project.plan.unreadable)
    selected = run.project.selected_workflow
    pending = [
        planned
        for planned in run.project.plan.pending
        if (keys is None or planned.model.key in keys)
        and (not selected or selected in planned.workflows)
    ]
    if pending:
        notes.searching(len(pending))
    searches = [run.search_of(planned) for planned in pending]
    return side_by_side(run, searches, partial(_answer, run))


def _answer(run: Run, search: ModelSearch) -> Answer:
    answer = search_and_keep(search, costs=True)
    problem, planned = answer.problem, search.planned
    # Only where somebody was asked.
    if problem and planned.problem is None and not isinstance(problem, Unreachable):
        tried.note(run, planned, problem)
    return answer
