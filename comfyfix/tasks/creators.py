"""Task creators: they declare tasks for doit, and do nothing."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from doit.doit_cmd import get_var
from doit.exceptions import InvalidDodoFile

from comfyfix.disk import json_file
from comfyfix.errors import SetupProblem
from comfyfix.screen import words
from comfyfix.screen.text import clean
from comfyfix.stages.batch import BatchFile, rules
from comfyfix.stages.work import Planned, Present, seen
from comfyfix.tasks import database
from comfyfix.tasks.build import Build, open_build, remember
from comfyfix.tasks.reporter import Reporter

THREADS_MAX = 64
PRESENT = "present"
Task = dict[str, Any]
Creator = Callable[[], Iterator[Task]]


def load(manifest: Path) -> tuple[dict[str, Any], Creator]:
    """Open the build of a manifest; return doit's configuration and the one task creator."""
    if os.name != "posix":
        raise InvalidDodoFile("comfyfix runs on Linux, macOS and WSL, not on native Windows")
    try:
        with _collecting_nothing():
            build = remember(open_build(manifest, get_var("workflow")))
    except SetupProblem as problem:
        raise InvalidDodoFile(str(problem)) from None

    def task_download() -> Iterator[Task]:
        """Search, script and download the missing models."""
        with _collecting_nothing():
            yield from tasks(build)

    return configuration(build), task_download


@contextlib.contextmanager
def _collecting_nothing() -> Iterator[None]:
    """What is made here lives to the end of the process: to look it through for garbage again and
    again would cost every command an eighth of its time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def configuration(build: Build) -> dict[str, Any]:
    """doit's settings: our database and reporter, a thread per pending task, our order."""
    database.install()
    busy = len(build.plan.pending) + len(build.plan.batches())
    return {
        "dep_file": str(build.layout.doit_db),
        "backend": "json",
        "par_type": "thread",
        "num_process": max(1, min(THREADS_MAX, busy)),
        "continue": True,
        "verbosity": 0,
        "reporter": Reporter,
        "default_tasks": default_tasks(build),
    }


def default_tasks(build: Build) -> list[str]:
    """Six downloads, their verification, six more: so a batch is verified once it is settled."""
    if build.selected:
        return [f"workflow:{build.workflow_tasks[build.selected]}"]
    names: list[str] = []
    for number, members in build.plan.batches().items():
        names += [f"download:{planned.task}" for planned in members]
        names.append(f"verify:{number:03d}")
    if build.plan.present:
        names.append(f"verify:{PRESENT}")
    broken = build.workflow_tasks
    names += [f"workflow:{broken[file.workflow]}" for file in build.plan.unreadable]
    return names or ["download"]


def tasks(build: Build) -> Iterator[Task]:
    """Every task of a build."""
    yield {"basename": "download", "name": None, "doc": "search, script and download each model"}
    if build.plan.models or build.plan.present:
        yield {"basename": "verify", "name": None, "doc": "verify the models, six at a time"}
    yield {"basename": "workflow", "name": None, "doc": "the models of one workflow"}
    for planned in build.plan.models:
        yield _download(build, planned)
    for number, members in build.plan.batches().items():
        yield _verify(build, number, members)
    if build.plan.present:
        yield _verify_present(build, build.plan.present)
    yield from _workflows(build)


def _download(build: Build, planned: Planned) -> Task:
    folder = planned.model.folder or "?"
    return {
        "basename": "download",
        "name": planned.task,
        "doc": clean(f"{folder}/{planned.model.path}"),
        "targets": targets(build, planned),
        "actions": [
            (_actions("resolve"), [build, planned]),
            (_actions("render"), [build, planned]),
            (_actions("fetch"), [build, planned]),
        ],
        "uptodate": [not planned.pending],
        "io": {"capture": False},
        "meta": {"number": planned.number, "model": planned.model.key},
    }


def _later(module: str, name: str, *arguments: Any) -> object:
    # Every command declares all tasks, and most run none: sources, templates and the rest, which
    # the actions need, would cost each command a tenth of a second.
    return getattr(import_module(module), name)(*arguments)


def _actions(name: str) -> Callable[..., object]:
    return partial(_later, "comfyfix.tasks.actions", name)


def _verifying(name: str) -> Callable[..., object]:
    return partial(_later, "comfyfix.tasks.verifying", name)


def targets(build: Build, planned: Planned) -> list[str]:
    """Record, script and model file; none for a model that can have no legal file."""
    if planned.problem is not None:
        return []
    return [*build.layout.targets(planned.number, planned.model), planned.location]


def _verify(build: Build, number: int, members: list[Planned]) -> Task:
    def settled() -> bool:
        if any(planned.pending for planned in members):
            return False
        try:
            known = json_file.read(build.layout.batch(number), BatchFile)
        except OSError:  # it is told when the batch is written
            return False
        if known is None or known.rules != rules(build.manifest.verify.pickle):
            return False
        return known.all_good >= {m.location for m in members}

    return {
        "basename": "verify",
        "name": f"{number:03d}",
        "doc": f"verify {len(members)} models: {', '.join(m.model.name for m in members)}"[:100],
        "task_dep": [f"download:{planned.task}" for planned in members],
        "actions": [(_verifying("verify_batch"), [build, number, members])],
        "uptodate": [settled],
        "io": {"capture": False},
        # It has work to do also when some members failed; our runner knows this mark.
        "meta": {"soft_deps": True},
    }


def _verify_present(build: Build, present: tuple[Present, ...]) -> Task:
    def unchanged(task: object, values: dict[str, Any]) -> bool:  # noqa: ARG001 - doit's signature
        same = values.get("rules") == rules(build.manifest.verify.pickle)
        return bool(same and values.get("seen") == seen(present))

    return {
        "basename": "verify",
        "name": PRESENT,
        "doc": "verify the needed models that were there before",
        "actions": [(_verifying("verify_present"), [build, present])],
        "uptodate": [unchanged],
        "io": {"capture": False},
    }


def _workflows(build: Build) -> Iterator[Task]:
    by_key = {planned.model.key: f"download:{planned.task}" for planned in build.plan.models}
    names = build.workflow_tasks
    there = {present.model.key for present in build.plan.present}
    for workflow, keys in build.plan.workflows.items():
        yield {
            "basename": "workflow",
            "name": names[workflow],
            "doc": clean(f"the models of {workflow}"),
            "actions": None,
            "task_dep": [
                *(by_key[key] for key in keys if key in by_key),
                *([f"verify:{PRESENT}"] if there.intersection(keys) else []),
            ],
        }
    for file in build.plan.unreadable:
        yield {
            "basename": "workflow",
            "name": names[file.workflow],
            "doc": clean(f"{file.workflow} can't be read: {words.sentence(file.problem or '')}"),
            "actions": [(_verifying("unreadable"), [build, file])],
            "io": {"capture": False},
        }
