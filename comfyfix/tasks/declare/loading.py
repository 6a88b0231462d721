"""What a dodo.py gets of a manifest: doit's configuration, and what makes the tasks.

Where a command can do with the answer that is kept, the project is opened only if that turns out
not to be enough.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.exceptions import InvalidDodoFile

from comfyfix.errors import SetupProblem
from comfyfix.garbage import left_alone
from comfyfix.screen import words
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.dodo import ONLY_NAMED, Task, Tasks
from comfyfix.tasks.face.inside_doit import Defaults, Threads
from comfyfix.tasks.run import idle
from comfyfix.tasks.run.reporter import Reporter
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.tasks.run.running import Run

_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,39}")


def load(manifest: Path, prefix: str = "") -> tuple[dict[str, Any], Tasks]:
    """Open the project of a manifest; return doit's configuration and what makes the tasks."""
    if os.name != "posix":
        raise InvalidDodoFile("comfyfix runs on Linux, macOS and WSL, not on native Windows")
    manifest = manifest.absolute()
    if prefix and not _PREFIX.fullmatch(prefix):
        problem = SetupProblem(Why.PREFIX_UNFIT, prefix=prefix)
        raise InvalidDodoFile(words.problem(problem)) from problem
    inside_doit.mend_memory()
    if ONLY_NAMED.get():
        return _configuration("", [], 0), Tasks(manifest, prefix, None, _tasks)
    tasks = Tasks(manifest, prefix, partial(_opened, manifest, prefix), _tasks)
    settled = idle.find(manifest, prefix)
    if settled is not None:
        tasks.settled = settled
        names = list(settled.answer.tasks)
        return _configuration(str(settled.layout.doit_db), names, len(names)), tasks
    from comfyfix.tasks.run.scope import default_tasks  # the rest of the program

    run = tasks.opened()
    memory = str(run.project.layout.doit_db)
    return _configuration(memory, default_tasks(run), run.busy), tasks


def _configuration(memory: str, default: list[str], busy: int) -> dict[str, Any]:
    """doit's settings: our database and reporter, a thread per pending task, our order."""
    return {
        "dep_file": memory,
        "backend": "json",
        "par_type": "thread",
        "num_process": Threads(max(1, busy)),
        "continue": True,
        "reporter": Reporter,
        "default_tasks": Defaults(default),
    }


def _opened(manifest: Path, prefix: str) -> Run:
    from comfyfix.tasks.declare import creators  # the rest of the program

    try:
        with left_alone():
            return creators.opened(manifest, prefix)
    except SetupProblem as problem:
        raise InvalidDodoFile(words.problem(problem)) from problem


def _tasks(run: Run) -> Iterator[Task]:
    from comfyfix.tasks.declare import creators

    return creators.tasks(run)
