"""What a run without names is about, in which order, and what of it is settled."""

from __future__ import annotations

from comfyfix.disk import json_file
from comfyfix.settings.shard import turned
from comfyfix.stages.needs.work import Planned
from comfyfix.stages.verdicts.batch import BatchFile, rules
from comfyfix.tasks.face.marks import PRESENT
from comfyfix.tasks.run.running import Run


def default_tasks(run: Run) -> list[str]:
    """Six downloads, their verification, six more: so a batch is verified once it is settled."""
    if run.project.selected_workflow:
        return [run.task("workflow", run.workflow_tasks[run.project.selected_workflow])]
    names: list[str] = []
    for number, members in turned(run.shard, list(run.project.plan.batches.items())):
        names += [run.task("download", planned.task) for planned in members]
        names.append(run.task("verify", batch_name(number)))
    if run.project.plan.present:
        names.append(run.task("verify", PRESENT))
    tasks = run.workflow_tasks
    names += [run.task("workflow", tasks[file.workflow]) for file in run.project.plan.unreadable]
    return names or [run.group("download")]


def selected_models(run: Run, reached: set[str]) -> tuple[Planned, ...]:
    """The models whose tasks are among these."""
    models = run.project.plan.models
    return tuple(planned for planned in models if run.task("download", planned.task) in reached)


def workflows_of(run: Run, reached: set[str]) -> tuple[frozenset[str], bool]:
    """The workflows that a run is about, and whether it is to bring all that they name.

    They are those that are named, or all; else those of the models that are named.
    """
    plan = run.project.plan
    named = (w for w, task in run.workflow_tasks.items() if run.task("workflow", task) in reached)
    asked = frozenset(named).difference(file.workflow for file in plan.unreadable)
    models = selected_models(run, reached)
    if asked or len(models) == len(plan.models):
        return asked or frozenset(plan.workflows), True
    return frozenset(workflow for planned in models for workflow in planned.workflows), False


def settled_tasks(run: Run) -> set[str]:
    """The tasks that doit would find up to date, looked at without it."""
    names = {run.task("download", p.task) for p in run.project.plan.models if not p.pending}
    for number, members in run.project.plan.batches.items():
        if is_verified(run, number, members):
            names.add(run.task("verify", batch_name(number)))
    return names


def batch_name(number: int) -> str:
    """The name of the task that verifies a batch, without its group."""
    return f"{number:03d}"


def is_verified(run: Run, number: int, members: list[Planned]) -> bool:
    """Tell whether all of a batch is there and was found good."""
    if any(planned.pending for planned in members):
        return False
    try:
        batch = json_file.read(run.project.layout.batch(number), BatchFile)
    except OSError:  # it is told when the batch is written
        return False
    if batch is None or batch.rules != rules(run.project.manifest.verify.pickle):
        return False
    return batch.all_good >= {planned.location for planned in members}
