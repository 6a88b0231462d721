"""The `import` command: what other tools know of models becomes pins and hints."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from comfyfix.comfyui.manifests import read as manifests
from comfyfix.comfyui.manifests.listing import Listing, NotAList
from comfyfix.errors import ModelProblem, SetupProblem, system_says
from comfyfix.records import Reason, Rejected, because
from comfyfix.screen.commands import importing
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings.read import load
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.stages.needs import imports
from comfyfix.stages.needs.imports import Imported, Skipped
from comfyfix.tasks.commands.base import ProjectCommand, project_heading
from comfyfix.tasks.face.inside_doit import variables
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run import pinning
from comfyfix.tasks.run.opening import begin, begin_store
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


class Import(ProjectCommand):
    """Take over what another tool's file says of models."""

    doc_purpose = t("take over the models of another tool's snapshot, lock or manifest")
    doc_usage = "FILE"
    doc_description = t(
        "FILE is a `.cpack.zip` of comfy-pack (or its snapshot.json), a comfy-lock.yaml or a "
        "build's definition of comfy-cli, or a manifest of comfyui-api, told apart by what they "
        "hold; a snapshot of ComfyUI-Manager names node packs only. Addresses and hashes go into "
        "pins.yaml, where `doit pin` writes too; a hash without an address is what a file that is"
        " found must have. What is needed now is looked for at its address first (`--offline`: "
        "not). What you have said in manifest.yaml or pins.yaml stays. Exit code 1: an entry can "
        "not be taken."
    )
    cmd_options = (JSON_OPTION, switch("dry-run", t("write nothing, only tell")))
    name = "import"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Read the file, tell what becomes of it, and write the pins."""
        if len(names) != 1:
            raise SetupProblem(Why.IMPORT_NEEDS_FILE)
        listing = _listing(names[0])
        answers: dict[str, object] = {}
        failed = False
        for project in self.projects(options):
            run = _opened(project.manifest, project.prefix)
            imported, skipped = _decided(run, listing)
            failed |= any(entry.failed for entry in skipped)
            written = bool(imported) and not options["dry_run"]
            if written:
                run.set_right()
                pinning.write(run, {entry.key: entry.pin for entry in imported})
            answers[project.prefix] = importing.as_json(listing, imported, skipped, written=written)
            if not options["as_json"]:
                say(*project_heading(project.prefix))
                say(*importing.lines(names[0], listing, imported, skipped, written=written))
        if options["as_json"]:
            say_json_of(answers)
        return int(failed)


def _listing(name: str) -> Listing:
    try:
        return manifests.listing(Path(name))
    except NotAList as problem:
        cause = problem.reason
    except OSError as error:
        cause = getattr(error, "reason", system_says(error))
    raise SetupProblem(Why.IMPORT_REFUSED, file=name, cause=cause)


def _opened(manifest: Path, prefix: str) -> Run:
    """The project; without a workflow, too, since another tool's file may come first."""
    try:
        return begin(manifest, variables().get("workflow"), prefix)
    except SetupProblem as problem:
        if problem.reason.why != Why.NO_WORKFLOWS:
            raise
    return begin_store(manifest)


def _decided(run: Run, listing: Listing) -> tuple[list[Imported], list[Skipped]]:
    project = run.project
    own = load(project.setup.manifest_path, run.environ, with_pins=False)

    def unasked(entry: Imported) -> Imported:
        return entry

    confirm = unasked if on(OFFLINE, os.environ) else partial(_confirmed, run)
    return imports.decide(listing, project.plan, project.folders, project.manifest, own, confirm)


def _confirmed(run: Run, entry: Imported) -> Imported | Reason:
    """Look whether the file is there: a pin to what is gone would keep other sources from it."""
    from comfyfix.sources.base import Blocked, Doubtful  # 200 ms that only a look needs

    try:
        finding = pinning.ask_at(run, entry.key.rpartition("/")[2], entry.url, entry.sha256)
    except ModelProblem as problem:
        return replace(entry, note=because(Why.PIN_NOT_ASKED, problem=problem.reason))
    if isinstance(finding, Blocked):
        return replace(entry, note=finding.problem.reason)
    if isinstance(finding, Rejected):
        return _by_hash(entry, finding.reason)
    there = finding.candidate if isinstance(finding, Doubtful) else finding
    if entry.sha256 and there.sha256 not in (None, entry.sha256):
        return _by_hash(entry, because(Why.IMPORT_OTHER_FILE_NOW))
    return entry


def _by_hash(entry: Imported, reason: Reason) -> Imported | Reason:
    """What is left of an entry whose address does not have its file."""
    return replace(entry, url="", note=reason) if entry.sha256 else reason
