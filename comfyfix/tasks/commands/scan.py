"""The `scan` command: every reference of every workflow, and which workflows are ready."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfyfix.comfyui.packs import mentioned
from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.net.urls.origin import is_address
from comfyfix.project import bring
from comfyfix.records import Model, Reference
from comfyfix.screen import notes
from comfyfix.screen.commands import scanning
from comfyfix.screen.commands.scanning import Named, Sheet
from comfyfix.screen.objects import say_json
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.settings.manifest import Manifest
from comfyfix.setup import read_setup
from comfyfix.stages.needs import join as needs
from comfyfix.stages.needs import loaders as knowledge
from comfyfix.stages.needs import scan as scan_stage
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.plan.whole import is_part
from comfyfix.stages.values.near import near_misses
from comfyfix.stages.values.refused import Refusing
from comfyfix.tasks.commands.base import ProjectCommand, project_heading, workflows_named
from comfyfix.tasks.face.options import CHECK_OPTION, JSON_OPTION

_FIELDS = (
    "workflow", "node_id", "node_type", "input", "value", "name", "path", "folder", "kind",
    "active", "optional",
)  # fmt: skip
_CORE_SOURCES = ("nodes.py", "comfy_extras", "comfy_api_nodes")


class Scan(ProjectCommand):
    """List every reference to a model file in the workflows."""

    doc_purpose = t("list the references to model files in the workflows")
    doc_usage = "[FILE ...]"
    doc_description = t("Without FILE: the workflows of manifest.yaml.")
    cmd_options = (JSON_OPTION, CHECK_OPTION)
    name = "scan"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Print the references."""
        places = workflows_named(names)
        scans = [(p.prefix, _scan(p.manifest, places)) for p in self.projects(options)]
        if options["as_json"]:
            say_json({"references": [row for _, scan in scans for row in scan.rows()]})
        else:
            for prefix, scan in scans:
                say(*project_heading(prefix), *scanning.table(scan.sheets()))
        if options["check"] and any(scan.lacks for _, scan in scans):
            return 1
        return int(any(scan.problems for _, scan in scans))


@dataclass(frozen=True)
class _Scan:
    """The workflows of one project, and those that can't be read."""

    manifest: Manifest
    folders: Folders
    files: Sequence[ScannedFile]
    problems: Sequence[ScannedFile]

    def rows(self) -> list[dict[str, Any]]:
        """Every reference, for programs."""
        lookup = Lookup(self.folders)
        return [_row(reference, lookup) for file in self.files for reference in file.references]

    @property
    def lacks(self) -> bool:
        """Tell whether a workflow is not ready: a model is missing, or a value is refused."""
        lookup = Lookup(self.folders)
        refusing = Refusing(self.manifest, lookup)
        return any(
            refusing.of(reference)
            or (needs.counts(self.manifest, reference) and not _is_whole(reference, lookup))
            for file in self.files
            for reference in file.references
        )

    def sheets(self) -> list[Sheet]:
        """What each workflow needs."""
        lookup = Lookup(self.folders)
        # Walked at the first absent model.
        index = StoreIndex(self.folders.roots(), self.folders.links)
        read = [file for file in self.files if file.is_workflow and not file.problem]
        refusing = Refusing(self.manifest, lookup)
        unmentioned = self._unmentioned({node_type for file in read for node_type in file.strange})
        return [_sheet(file, index, lookup, self.manifest, refusing, unmentioned) for file in read]

    def _unmentioned(self, node_types: Collection[str]) -> frozenset[str]:
        core, packs = self.folders.comfyui, self.folders.paths.get("custom_nodes", ())
        places = [*(core / name for name in _CORE_SOURCES), *packs]
        return mentioned.unmentioned(map(str, places), node_types) if node_types else frozenset()


def _scan(manifest_path: Path, places: Sequence[str]) -> _Scan:
    setup = read_setup(manifest_path, notes.remark)
    places = [bring(setup, p, notes.remark) if is_address(p) else p for p in places]
    files = workflow_files.find(places or setup.manifest.workflows)
    comfyui = knowledge.gather(setup.folders, setup.layout, setup.manifest.comfyui_url)
    if comfyui.warning:
        notes.remark(comfyui.warning)
    cache = None if places else setup.layout.scan_cache
    scanned = scan_stage.scan(files, cache, comfyui.loaders, comfyui.nodes)
    problems = [file for file in scanned if file.problem or (places and not file.is_workflow)]
    for file in problems:
        notes.no_workflow(file)
    if not places:
        for remark in scan_stage.without_workflow(scanned, setup.manifest.workflows):
            notes.remark(remark)
    return _Scan(setup.manifest, comfyui.folders, scanned, problems)


def _row(reference: Reference, lookup: Lookup) -> dict[str, Any]:
    """One reference in the shape that scripts rely on."""
    fields = {name: getattr(reference, name) for name in _FIELDS}
    return {**fields, "present": _is_whole(reference, lookup)}


def _is_whole(reference: Reference, lookup: Lookup) -> bool:
    """Tell whether all of a model is there, as far as what is there tells."""
    return lookup.holds(reference) and not is_part(reference, lookup)


def _sheet(
    file: ScannedFile,
    index: StoreIndex,
    lookup: Lookup,
    manifest: Manifest,
    refusing: Refusing,
    unmentioned: frozenset[str],
) -> Sheet:
    """One workflow; a model that several references name is told by the first that counts."""
    models: dict[str, Named] = {}
    for reference in file.references:
        model = Model(folder=reference.folder, path=reference.path)
        needed = needs.counts(manifest, reference)
        if needed or model.key not in models:
            begun = lookup.holds(reference)
            whole = _is_whole(reference, lookup)
            near = near_misses(index, lookup.folders, model) if needed and not begun else ()
            models[model.key] = Named(reference, whole, needed, near, part=begun and not whole)
    return Sheet(
        workflow=file.workflow,
        models=tuple(models.values()),
        refused=refusing.of_files([file]),
        strange=tuple(node_type for node_type in file.strange if node_type in unmentioned),
    )
