"""Task creators: they declare tasks for doit, and do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from doit.doit_cmd import get_var

from comfyfix.garbage import left_alone
from comfyfix.screen import words
from comfyfix.screen.text import clean
from comfyfix.screen.words import t
from comfyfix.stages.needs.work import Planned, Present, stamps
from comfyfix.stages.verdicts.batch import rules
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.dodo import ONLY_WORK, Task
from comfyfix.tasks.face.marks import MARK, PRESENT
from comfyfix.tasks.run.opening import begin
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.scope import batch_name, default_tasks, is_verified, settled_tasks
from comfyfix.tasks.run.selection import Control, RunControl


def _later(module: str, name: str, *arguments: Any) -> object:
    # Every command declares all tasks, and most run none: sources, templates and the rest, which
    # the actions need, would cost each command a tenth of a second.
    return getattr(import_module(module), name)(*arguments)


_RESOLVE, _RENDER, _FETCH = (
    partial(_later, "comfyfix.tasks.downloads.actions", name)
    for name in ("resolve", "render", "fetch")
)
_BATCH, _PRESENT, _UNREADABLE = (
    partial(_later, "comfyfix.tasks.verify.verifying", name)
    for name in ("verify_batch", "verify_present", "unreadable")
)


def opened(manifest: Path, prefix: str) -> Run:
    """Open the project of a manifest. Raises SetupProblem."""
    inside_doit.install(Control, RunControl)
    return begin(manifest, get_var("workflow"), prefix)


def tasks(run: Run) -> Iterator[Task]:
    """The tasks of a project, marked as ours; garbage is left alone while they are made.

    Every one of them, unless the command is about what has work to do.
    """
    only_work = ONLY_WORK.get()() and not run.project.selected_workflow
    run.settled_tasks = settled_tasks(run) if only_work else set()
    with left_alone():
        for task in _with_work(run) if only_work else _tasks(run):
            task["basename"] = run.group(task["basename"])
            yield {**task, "meta": {**task.get("meta", {}), MARK: run}}
        if run.prefix and not only_work:
            yield {
                "basename": run.prefix,
                "doc": clean(t("all models of {project}", project=run.prefix)),
                "actions": None,
                "task_dep": default_tasks(run),
                "meta": {MARK: run},
            }


def _tasks(run: Run) -> Iterator[Task]:
    yield from _groups(run)
    for planned in run.project.plan.models:
        yield _download(run, planned)
    for number, members in run.project.plan.batches.items():
        yield _verify(run, number, members)
    if run.project.plan.present:
        yield _verify_present(run, run.project.plan.present)
    yield from _workflows(run)
    yield from _broken(run)


def _with_work(run: Run) -> Iterator[Task]:
    """What a run without names is about, but for batches of which all is settled."""
    yield from _groups(run)
    for number, members in run.project.plan.batches.items():
        if run.task("verify", batch_name(number)) not in run.settled_tasks:
            yield from (_download(run, planned) for planned in members)
            yield _verify(run, number, members)
    if run.project.plan.present:
        yield _verify_present(run, run.project.plan.present)
    yield from _broken(run)


def _groups(run: Run) -> Iterator[Task]:
    yield {"basename": "download", "name": None, "doc": "search, script and download each model"}
    if run.project.plan.models or run.project.plan.present:
        yield {"basename": "verify", "name": None, "doc": "verify the models, six at a time"}
    yield {"basename": "workflow", "name": None, "doc": "the models of one workflow"}


def _download(run: Run, planned: Planned) -> Task:
    folder = planned.model.folder or "?"
    return {
        "basename": "download",
        "name": planned.task,
        "doc": clean(f"{folder}/{planned.model.path}"),
        "targets": targets(run, planned),
        "actions": [
            (_RESOLVE, [run, planned]),
            (_RENDER, [run, planned]),
            (_FETCH, [run, planned]),
        ],
        "uptodate": [not planned.pending],
        "io": {"capture": False},
        "meta": {"number": planned.number, "model": planned.model.key},
    }


def targets(run: Run, planned: Planned) -> list[str]:
    """Record, script and model file; none for a model that can have no legal file."""
    if planned.problem is not None:
        return []
    return [*run.project.layout.targets(planned.number, planned.model), planned.location]


def _verify(run: Run, number: int, members: list[Planned]) -> Task:
    names = ", ".join(planned.model.name for planned in members)
    return {
        "basename": "verify",
        "name": batch_name(number),
        "doc": clean(f"verify {len(members)} models: {names}"[:100]),
        "task_dep": [run.task("download", planned.task) for planned in members],
        "actions": [(_BATCH, [run, number, members])],
        "uptodate": [partial(is_verified, run, number, members)],
        "io": {"capture": False},
        # It has work to do also when some members failed; our runner knows this mark.
        "meta": {"soft_deps": True},
    }


def _verify_present(run: Run, present: tuple[Present, ...]) -> Task:
    def unchanged(task: object, values: dict[str, Any]) -> bool:  # noqa: ARG001 - doit's signature
        same = values.get("rules") == rules(run.project.manifest.verify.pickle)
        return bool(same and values.get("seen") == stamps(present))

    return {
        "basename": "verify",
        "name": PRESENT,
        "doc": "verify the needed models that were there before",
        "actions": [(_PRESENT, [run, present])],
        "uptodate": [unchanged],
        "io": {"capture": False},
    }


def _workflows(run: Run) -> Iterator[Task]:
    models = run.project.plan.models
    by_key = {planned.model.key: run.task("download", planned.task) for planned in models}
    names = run.workflow_tasks
    there = {present.model.key for present in run.project.plan.present}
    for workflow, keys in run.project.plan.workflows.items():
        yield {
            "basename": "workflow",
            "name": names[workflow],
            "doc": clean(f"the models of {workflow}"),
            "actions": None,
            "task_dep": [
                *(by_key[key] for key in keys if key in by_key),
                *([run.task("verify", PRESENT)] if there.intersection(keys) else []),
            ],
        }


def _broken(run: Run) -> Iterator[Task]:
    for file in run.project.plan.unreadable:
        yield {
            "basename": "workflow",
            "name": run.workflow_tasks[file.workflow],
            "doc": clean(f"{file.workflow} can't be read: {words.sentence(file.problem or '')}"),
            "actions": [(_UNREADABLE, [run, file])],
            "io": {"capture": False},
        }
