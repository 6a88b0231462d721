"""Which models a user means by a name: task, file name, or folder and path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.tasks.face.marks import PRESENT
from comfyfix.tasks.face.nearest import nearest
from comfyfix.tasks.face.owned import runs_of
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


class Named(NamedTuple):
    """A needed model, and the project that needs it."""

    run: Run
    item: Planned | Present


def models_named(runs: Sequence[Run], name: str) -> list[Named]:
    """Every needed model that a name fits. Raises SetupProblem if there is none."""
    hits = [hit for run in runs for hit in _hits(run, name)]
    if hits:
        return hits
    near = nearest(name.rpartition("/")[2], all_names(runs))
    cause = because(Why.NEAREST_NAMES, names=near) if near else ""
    raise SetupProblem(Why.MODEL_NOT_NEEDED, name=name, cause=cause)


def model_named(runs: Sequence[Run], name: str) -> Named:
    """The one needed model that a name fits. Raises SetupProblem if there are several, or none."""
    hits = models_named(runs, name)
    if len(hits) > 1:
        keys = [_whole_name(hit) for hit in hits]
        raise SetupProblem(Why.MODELS_OF_ONE_NAME, name=name, models=keys, first=keys[0])
    return hits[0]


def _whole_name(hit: Named) -> str:
    """The name that tells a model from others of its file name, also from those of a project."""
    run, item = hit
    if run.prefix and isinstance(item, Planned):
        return run.task("download", item.task)
    return item.model.key


def all_names(runs: Iterable[Run]) -> list[str]:
    """The names that people use: files of models, and the tasks of workflows."""
    files = {item.model.name for run in runs for item in _items(run)}
    return [*sorted(files), *(name for run in runs for name in _workflows(run))]


def keys_by_run(runs: Sequence[Run], names: Iterable[str]) -> dict[Run, list[str]]:
    """The keys of the models that are named, by project; a task of a workflow names all of its.

    Raises SetupProblem.
    """
    keys: dict[Run, dict[str, None]] = {}
    for name in names:
        groups = [(run, _workflows(run)[name]) for run in runs if name in _workflows(run)]
        for run, workflow in groups:
            needed = run.project.plan.workflows.get(workflow, ())
            keys.setdefault(run, {}).update(dict.fromkeys(needed))
        for run, item in models_named(runs, name) if not groups else ():
            keys.setdefault(run, {})[item.model.key] = None
    return {run: list(models) for run, models in keys.items()}


def tasks_meant(tasks: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """The tasks of these names; a model may be named by its file, too."""
    runs = runs_of(tasks.values())
    meant: dict[str, None] = {}
    for name in names:
        hits = [] if name in tasks else [hit for run in runs for hit in _hits(run, name)]
        meant |= dict.fromkeys([_task(hit) for hit in hits] or [name])
    return list(meant)


def _hits(run: Run, name: str) -> list[Named]:
    return [Named(run, item) for item in _items(run) if name in _names(run, item)]


def _task(hit: Named) -> str:
    run, item = hit
    if isinstance(item, Planned):
        return run.task("download", item.task)
    return run.task("verify", PRESENT)


def _workflows(run: Run) -> dict[str, str]:
    """The workflows, by their tasks."""
    return {run.task("workflow", task): workflow for workflow, task in run.workflow_tasks.items()}


def _items(run: Run) -> list[Planned | Present]:
    return [*run.project.plan.models, *run.project.plan.present]


def _names(run: Run, item: Planned | Present) -> set[str]:
    names = {item.model.key, item.model.path, item.model.name}
    if isinstance(item, Planned):
        names |= {item.task, run.task("download", item.task)}
    return names
