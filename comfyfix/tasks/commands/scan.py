"""The `scan` command: every reference of every workflow, and which workflows are ready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from doit.doit_cmd import get_var

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.errors import SetupProblem
from comfyfix.project import MANIFEST, read_setup
from comfyfix.records import Model, Reference
from comfyfix.screen import notes, scanning
from comfyfix.screen.scanning import Found, Sheet
from comfyfix.screen.text import data, say
from comfyfix.screen.words import t
from comfyfix.settings.manifest import Manifest
from comfyfix.stages import join as needs
from comfyfix.stages import loaders as knowledge
from comfyfix.stages import plan as plan_stage
from comfyfix.stages import scan as scan_stage
from comfyfix.stages.near import near_misses
from comfyfix.stages.scan import ScannedFile
from comfyfix.tasks.commands.base import JSON_OPTION, Ours
from comfyfix.why import Why


class Scan(Ours):
    """List every reference to a model file in the workflows."""

    doc_purpose = t("list the references to model files in the workflows")
    doc_usage = "[FILE ...]"
    doc_description = t("Without FILE: the workflows of manifest.yaml.")
    cmd_options = (JSON_OPTION,)
    name = "scan"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Print the references."""
        setup = read_setup(Path(MANIFEST), notes.remark)
        manifest, folders, layout = setup.manifest, setup.folders, setup.layout
        if get_var("workflow"):
            names = [*names, get_var("workflow")]
        for name in names:
            if not (Path(name).is_file() or Path(name).is_dir()):
                cause = workflow_files.why_no_file(name)
                raise SetupProblem(Why.SCAN_OF_NOTHING, name=name, cause=cause)
        places = [str(Path(name).absolute()) for name in names] or manifest.workflows
        files = workflow_files.find(places)
        known = knowledge.gather(folders, layout, manifest.comfyui_url)
        if known.warning:
            notes.remark(known.warning)
        folders = known.folders
        cache = None if names else layout.scan_cache
        scanned = scan_stage.scan(files, cache, known.loaders)
        problems = [file for file in scanned if file.problem or (names and not file.is_workflow)]
        for file in problems:
            notes.no_workflow(file)
        if options["as_json"]:
            found = [reference for file in scanned for reference in file.references]
            rows = [row(reference, folders) for reference in found]
            text = msgspec.json.format(msgspec.json.encode(rows), indent=1)
            data(f"{text.decode()}\n")
        else:
            index = StoreIndex(folders.roots())  # walked at the first absent model
            whole = [file for file in scanned if file.is_workflow and not file.problem]
            sheets = [_sheet(file, index, folders, manifest) for file in whole]
            say(*scanning.table(sheets))
        return 1 if problems else 0


def row(reference: Reference, folders: Folders) -> dict[str, Any]:
    """One reference in the shape that scripts rely on."""
    return {
        "workflow": reference.workflow,
        "node_id": reference.node_id,
        "node_type": reference.node_type,
        "input": reference.input,
        "value": reference.value,
        "name": reference.name,
        "path": reference.path,
        "folder": reference.folder,
        "kind": reference.kind,
        "active": reference.active,
        "optional": reference.optional,
        "present": plan_stage.found(folders, reference),
    }


def _sheet(file: ScannedFile, index: StoreIndex, folders: Folders, manifest: Manifest) -> Sheet:
    """One workflow; a model that several references name is told by the first that counts."""
    models: dict[str, Found] = {}
    for reference in file.references:
        model = Model(folder=reference.folder, path=reference.path)
        needed = needs.counts(manifest, reference)
        if needed or model.key not in models:
            there = plan_stage.found(folders, reference)
            near = near_misses(index, folders, model) if needed and not there else ()
            models[model.key] = Found(reference, there, needed, near)
    return Sheet(file.workflow, tuple(models.values()))
