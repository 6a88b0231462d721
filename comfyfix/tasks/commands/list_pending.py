"""What `list` tells where some model is pending, or nobody knows whether one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.screen import notes, refused
from comfyfix.screen.commands import listing
from comfyfix.screen.text import room
from comfyfix.stages.needs.work import Pending
from comfyfix.stages.values.refused import Refusal, Refusing
from comfyfix.tasks.commands.base import project_heading
from comfyfix.tasks.run.running import Run


def names(runs: Sequence[Run]) -> Iterator[str]:
    """The tasks of the pending models."""
    for run in runs:
        yield from (run.task("download", p.task) for p in run.project.plan.pending)


def lines(runs: Sequence[Run], ignored: set[str]) -> Iterator[str]:
    """A table of each project's pending models; `ignored` are the tasks that doit leaves out."""
    for run in runs:
        yield from project_heading(run.prefix)
        yield from _table(run, ignored)


def tell_unreadable(runs: Sequence[Run]) -> None:
    """Tell which workflows can't be read."""
    if any(run.project.manifest.is_demo for run in runs):
        notes.remark(notes.demo())
    for run in runs:
        notes.unreadable(run.project.plan.unreadable)


def as_data(run: Run, ignored: set[str]) -> dict[str, Any]:
    """What is pending, for programs."""
    return listing.as_data(
        _rows(run, ignored) if run.project.plan.pending else [],
        _refusals(run),
        run.project.plan.unreadable,
    )


def lacks(run: Run) -> bool:
    """Tell whether something is missing, or can't be used as it is."""
    plan = run.project.plan
    return bool(plan.pending or plan.unreadable or _refusals(run))


def _table(run: Run, ignored: set[str]) -> list[str]:
    plan = run.project.plan
    values = refused.lines(_refusals(run))
    if not plan.pending:
        return [listing.nothing_pending(len(plan.models) + len(plan.present)), *values]
    return [*listing.table(_rows(run, ignored), room()), *values]


def _refusals(run: Run) -> list[Refusal]:
    refusing = Refusing(run.project.manifest, Lookup(run.project.folders))
    return refusing.of_files(run.project.scanned)


def _rows(run: Run, ignored: set[str]) -> list[listing.Row]:
    from comfyfix.comfyui.store.index import StoreIndex  # where something is absent
    from comfyfix.stages.values.near import near_misses

    plan, folders = run.project.plan, run.project.folders
    index = StoreIndex(folders.roots(), folders.links)  # walked at the first absent model
    rows = []
    for planned in plan.pending:
        absent = planned.pending is Pending.ABSENT
        near = near_misses(index, folders, planned.model) if absent else ()
        task = run.task("download", planned.task)
        rows.append(listing.Row(planned, task, tuple(near), ignored=task in ignored))
    return rows
