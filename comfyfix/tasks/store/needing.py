"""What all who use a store need: the projects of this dodo, and other checkouts that it names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from comfyfix import project as projects
from comfyfix.comfyui.packs import installed
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.errors import Problem, SetupProblem, system_says
from comfyfix.project import Project
from comfyfix.records import Reason, because
from comfyfix.settings import MANIFEST, pins
from comfyfix.settings.read import implied_in, load
from comfyfix.setup import setup_of
from comfyfix.stages.needs import scan
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.store import gc, needed, sweep
from comfyfix.stages.store.gc import Provenance, Unit
from comfyfix.stages.store.needed import Needs
from comfyfix.state import ledger, receipts
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why

_Stamps = tuple[tuple[str, tuple[int, ...]], ...]


class Needing:
    """The needs of all, why they can't be told, and of how many `workflows` they are."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.needs = Needs()
        self.doubts: list[Reason] = []
        self.workflows = 0
        self._read: list[tuple[Project, _Stamps]] = []
        for run in runs:
            self.doubts += self._add(run.project)
        folders = dict.fromkeys(f for run in runs for f in run.project.manifest.gc.keep)
        for folder in folders:
            try:
                doubts = self._add(_checkout(Path(folder)))
            except Problem as problem:
                doubts = [problem.reason]
            except OSError as error:
                doubts = [system_says(error)]
            self.doubts += [because(Why.GC_KEEP, folder=folder, cause=doubt) for doubt in doubts]

    def _add(self, project: Project) -> list[Reason]:
        self._read.append((project, _stamps(project)))
        setup = project.setup
        scanned = [*project.scanned, *_brought(project)]
        self.workflows += sum(file.is_workflow for file in scanned)
        if setup.mode == "frozen":
            return [because(Why.GC_FROZEN)]
        unread = installed.unread(
            project.folders.paths.get("custom_nodes") or [project.folders.base / "custom_nodes"]
        )
        needed.add_project(
            self.needs, project.manifest, project.folders, scanned, project.layout,
            project.trust, setup.lock,
        )  # fmt: skip
        return needed.doubts(project.plan, scanned, unread)

    def units(self, run: Run) -> tuple[Provenance, list[Unit]]:
        """The files of a project's folders as what goes as a whole. Raises OSError."""
        project = run.project
        records = sweep.records(project.layout)
        choices = sweep.whole_store(
            project.manifest, project.folders, project.layout, project.trust, known_records=records
        )
        provenance = Provenance(
            folders=project.folders,
            trust=project.trust,
            receipts={receipt.path: receipt for receipt in receipts.load(project.layout).values()},
            records=records,
            entries=ledger.load(project.layout).models,
            contents=sweep.contents(choices),
        )
        return provenance, gc.units(choices, provenance, self.needs)

    def changed(self) -> Reason | None:
        """Tell whether a workflow, a manifest or a lock file is not as it was read."""
        try:
            same = all(_stamps(project) == before for project, before in self._read)
        except (OSError, SetupProblem):
            same = False
        return None if same else because(Why.GC_WORKFLOWS_CHANGED)


def _checkout(folder: Path) -> Project:
    """Open the project of another checkout, whatever this one's variables say. Raises Problem."""
    path = folder / MANIFEST
    if not os.path.lexists(path) and os.path.lexists(implied_in(folder).parent):
        path = implied_in(folder)
    environ = {name: value for name, value in os.environ.items() if name != "COMFYUI_PATH"}
    manifest = load(path, environ)
    if manifest.is_demo:
        raise SetupProblem(Why.GC_KEEP_DEMO)
    return projects.scan_and_plan(setup_of(manifest, path, bool), bool)


def _brought(project: Project) -> list[ScannedFile]:
    """The workflows that were named by their addresses and are still kept."""
    place = project.layout.brought
    return scan.scan(workflow_files.find([str(place)])) if place.is_dir() else []


def _stamps(project: Project) -> _Stamps:
    setup = project.setup
    files = [path for path, _ in workflow_files.find(setup.manifest.workflows)]
    own = (setup.manifest_path, setup.lock.path, pins.place(setup.manifest, setup.manifest_path))
    scanned = [file.path for file in project.scanned]
    every = dict.fromkeys([*files, *scanned, *map(str, own)])
    return tuple((path, workflow_files.stamp(path)) for path in every)
