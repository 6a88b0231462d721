"""A project: its manifest read, its workflows scanned, its plan made. Nothing of it changes.

Opening one prints nothing, starts no search and writes caches only; what the user should hear of it
is handed to whoever opens it at once, since it may end in a problem.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from comfyfix.comfyui.store import folders as comfyui_folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.installation import EXTRA_PATHS
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.settings import mirror
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.mirror import Mirror
from comfyfix.settings.secrets import tokens
from comfyfix.settings.store_key import store_key
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.setup import Hear, Setup, read_setup, require_own_output, unusable
from comfyfix.stages.lock import locked, locking
from comfyfix.stages.needs import loaders, scan
from comfyfix.stages.needs.loaders import Knowledge
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Plan
from comfyfix.stages.plan import plan
from comfyfix.state import ledger, order
from comfyfix.state.layout import Layout, slug
from comfyfix.state.trust import Trust
from comfyfix.why import Why

_NOTHING = Plan(models=(), present=(), workflows={}, unreadable=())


@dataclass(frozen=True, slots=True)
class Project:
    """All that is known of one manifest before anything is searched or fetched.

    `selected_workflow` is the one that the user has named beside the manifest's, empty without one;
    `tokens` are those of the environment, by source.
    """

    setup: Setup
    trust: Trust
    tokens: Mapping[str, str] = field(repr=False)
    scanned: tuple[ScannedFile, ...] = ()
    plan: Plan = _NOTHING
    selected_workflow: str = ""
    mirrors: tuple[Mirror, ...] = ()

    @property
    def manifest(self) -> Manifest:
        """What the user has set."""
        return self.setup.manifest

    @property
    def folders(self) -> Folders:
        """ComfyUI's model folders."""
        return self.setup.folders

    @property
    def layout(self) -> Layout:
        """Where everything in output/ lies."""
        return self.setup.layout

    def workflow_tasks(self) -> dict[str, str]:
        """Task names of workflows: the file's stem, made unique where two share it."""
        names: dict[str, str] = {}
        taken: set[str] = set()
        for file in self.scanned:
            whole = file.workflow.rpartition(".")[0] or file.workflow
            stem = slug(whole.rpartition("/")[2])
            if stem in taken:
                stem = slug(whole)
            while stem in taken:
                stem += "-2"
            names[file.workflow] = stem
            taken.add(stem)
        return names


def open_project(manifest_path: Path, hear: Hear, workflow: str | None = None) -> Project:
    """Read, scan and plan. `workflow` adds a file and selects its models. Raises SetupProblem."""
    return scan_and_plan(read_setup(manifest_path, hear), hear, workflow)


def bring(setup: Setup, address: str, hear: Hear, *, as_kept: bool = False) -> str:
    """Get the workflow at an address, and return its file; see `stages.needs.address`.

    Raises SetupProblem.
    """
    # Only where an address is named: sessions take a tenth of a second.
    from comfyfix.net.http import Web
    from comfyfix.net.urls.hosts import tokens_by_origin
    from comfyfix.stages.needs import address as addresses

    manifest = setup.manifest
    if manifest.is_demo:
        raise SetupProblem(Why.WORKFLOW_IN_DEMO, address=addresses.shown(address))
    by_origin = tokens_by_origin(manifest.endpoints, tokens(manifest, os.environ))
    web = Web(by_origin, offline=on(OFFLINE, os.environ), seconds=addresses.SECONDS)
    try:
        brought = addresses.bring(address, manifest, setup.layout, web, hear, as_kept=as_kept)
    except OSError as error:
        raise unusable(error, setup.layout) from None
    return str(brought)


def scan_and_plan(setup: Setup, hear: Hear, workflow: str | None = None) -> Project:
    """Scan and plan. Raises SetupProblem."""
    if workflow and setup.mode == "frozen":
        raise SetupProblem(Why.FROZEN_READS_NONE, path=workflow)
    named = os.path.abspath(workflow) if workflow else ""  # links stay as they are
    files = [] if setup.mode == "frozen" else _workflows(setup, workflow, named)
    trust = _trust(setup.manifest)
    try:
        knowledge = _knowledge(setup)
        scanned = (
            [locked.as_workflow(setup.lock)]
            if setup.mode == "frozen"
            else scan.scan(files, setup.layout.scan_cache, knowledge.loaders, knowledge.nodes)
        )
        needed = plan.make(setup.manifest, knowledge.folders, scanned, setup.layout, trust)
    except OSError as error:
        raise unusable(error, setup.layout) from None
    if setup.mode == "locked":
        locking.require_agreement(needed, setup.lock)
    selected = _selected(named, scanned, workflow) if workflow else ""
    empty = scan.without_workflow(scanned, setup.manifest.workflows)
    for remark in (knowledge.warning, _unsearched(knowledge.folders, needed), *empty):
        if remark:
            hear(remark)
    setup = replace(setup, folders=knowledge.folders)
    # An unusable token is told now, not in the middle of a run.
    by_source = tokens(setup.manifest, os.environ)
    mirrors = mirror.named(setup.manifest, os.environ)
    return Project(setup, trust, by_source, tuple(scanned), needed, selected, mirrors)


def _workflows(setup: Setup, workflow: str | None, named: str) -> list[tuple[str, str]]:
    """The workflow files, each with the name that it is told by. Raises SetupProblem."""
    places = [*setup.manifest.workflows, named] if named else setup.manifest.workflows
    if workflow and not (Path(named).is_file() or workflow_files.archive_of(named)):
        raise SetupProblem(workflow_files.why_no_file(named), path=workflow)
    files = workflow_files.find(places)
    if not files:
        looked_in = setup.manifest.workflows or (setup.manifest.comfyui,)
        raise SetupProblem(Why.NO_WORKFLOWS, places=looked_in)
    return files


def open_lock(manifest_path: Path, asked: str, hear: Hear) -> Project:
    """Read the lock file alone, for a command that asks about it. Raises SetupProblem."""
    setup = read_setup(manifest_path, hear)
    if not setup.lock.exists:
        raise SetupProblem(Why.LOCK_ABSENT, path=setup.lock.path, asked=asked)
    mirrors = mirror.named(setup.manifest, os.environ)
    by_source = tokens(setup.manifest, os.environ)
    return Project(setup, _trust(setup.manifest), by_source, mirrors=mirrors)


def open_store(manifest_path: Path, hear: Hear) -> Project:
    """Read the model folders alone: a store can be looked at without workflows.

    Raises SetupProblem.
    """
    setup = read_setup(manifest_path, hear)
    try:
        setup = replace(setup, folders=_knowledge(setup).folders)
    except OSError as error:
        raise unusable(error, setup.layout) from None
    return Project(setup, _trust(setup.manifest), tokens(setup.manifest, os.environ))


def reserve(project: Project, hear: Hear) -> bool:
    """Make what a command needs that writes: folders, and numbers and names for all models.

    Returns False where that has changed what the project says: then it has to be opened again.
    Raises SetupProblem.
    """
    if project.plan.pending and not project.manifest.is_demo:
        setup = project.setup
        require_own_output(setup.manifest, setup.folders, setup.manifest_path, os.path.realpath)
    layout, store = project.layout, project.folders.store
    for remark in order.set_right(layout):
        hear(remark)
    holds = True
    try:
        layout.output.mkdir(parents=True, exist_ok=True)
        if project.manifest.is_demo:
            from comfyfix.demo import example  # only the demo needs it

            holds = not example.lay_out(project.manifest)
        elif project.manifest.create_store:
            comfyui_folders.make_store(store)
        if not project.plan.pending and all(planned.reserved for planned in project.plan.models):
            return holds  # nothing of it is used
        entries = ledger.reserve(layout, [planned.model for planned in project.plan.models]).models
    except OSError as error:
        raise unusable(error, layout) from None
    pairs = ((entries[planned.model.key], planned) for planned in project.plan.models)
    return holds and all((e.number, e.task) == (p.number, p.task) for e, p in pairs)


def _trust(manifest: Manifest) -> Trust:
    return Trust(manifest.verify.receipts, manifest.verify.identity, store_key(os.environ))


def _knowledge(setup: Setup) -> Knowledge:
    """Learn what the installation says. Raises OSError."""
    return loaders.gather(setup.folders, setup.layout, setup.manifest.comfyui_url)


def _selected(path: str, scanned: Sequence[ScannedFile], workflow: str) -> str:
    files = [file for file in scanned if file.path == path]
    files = files or [file for file in scanned if file.path.startswith(f"{path}/")]
    if len(files) != 1:
        names = [workflow + file.path.removeprefix(path) for file in files[:3]]
        raise SetupProblem(Why.WORKFLOWS_OF_ZIP, path=workflow, names=names)
    if not files[0].is_workflow:
        raise SetupProblem(Why.HOLDS_NO_WORKFLOW, path=workflow)
    return files[0].workflow


def _unsearched(folders: Folders, needed: Plan) -> Reason | None:
    """What to tell ComfyUI of a store that it does not look into."""
    if folders.searched is None:
        return None
    used = {planned.model.folder for planned in needed.models}
    keys = sorted(key for key in used if key and key not in folders.searched)
    if not keys:
        return None
    lines = [f"  {key}: {folders.destination(key, '')}".rstrip("/") for key in keys]
    return because(
        Why.STORE_NOT_SEARCHED,
        store=folders.store,
        file=folders.comfyui / EXTRA_PATHS,
        lines=["comfyfix:", *lines],
    )
