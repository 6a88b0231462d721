"""How a run begins: its project is opened, or a part of it, and what is to be told of it is."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from comfyfix import project as projects
from comfyfix.disk import looked
from comfyfix.net.urls.origin import is_address
from comfyfix.screen import notes
from comfyfix.settings import shard
from comfyfix.setup import read_setup
from comfyfix.tasks.face.marks import AS_KEPT
from comfyfix.tasks.run.running import Run, remarked


def begin(manifest: Path, workflow: str | None = None, prefix: str = "") -> Run:
    """Open a project, and tell what there is to tell of it. Raises SetupProblem."""
    if workflow and is_address(workflow):
        setup = read_setup(manifest, bool)
        workflow = projects.bring(setup, workflow, notes.remark, as_kept=AS_KEPT.get())
    opening = partial(projects.open_project, manifest, workflow=workflow)
    part = shard.of(os.environ)
    run = Run(opening(remarked), partial(opening, bool), prefix, shard=part)
    if run.project.manifest.workers_have_stores:
        looked.unsure()  # what workers have on their own disks no stamp here tells
    return run


def begin_lock(manifest: Path, asked: str) -> Run:
    """Open the lock file, and no workflow. Raises SetupProblem, also where there is none.

    `asked` is the command that needs it, as it is typed.
    """
    opening = partial(projects.open_lock, manifest, asked)
    return Run(opening(notes.remark), partial(opening, bool))


def begin_store(manifest: Path) -> Run:
    """Open the model folders alone. Raises SetupProblem."""
    opening = partial(projects.open_store, manifest)
    return Run(opening(notes.remark), partial(opening, bool))
