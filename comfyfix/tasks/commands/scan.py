"""The `scan` command: every reference of every workflow, and which workflows are ready."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from doit.doit_cmd import get_var

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.disk.files import printable
from comfyfix.errors import SetupProblem
from comfyfix.records import Model, Reference, because
from comfyfix.screen import words
from comfyfix.screen.text import data, say, warn
from comfyfix.settings.manifest import Manifest
from comfyfix.stages import join as needs
from comfyfix.stages import loaders as knowledge
from comfyfix.stages import plan as plan_stage
from comfyfix.stages import scan as scan_stage
from comfyfix.stages.near import near_misses, told
from comfyfix.stages.scan import ScannedFile
from comfyfix.tasks.build import MANIFEST, read_setup
from comfyfix.tasks.commands.base import JSON_OPTION, Ours
from comfyfix.why import Why


class Scan(Ours):
    """List every reference to a model file in the workflows."""

    doc_purpose = "list the references to model files in the workflows"
    doc_usage = "[FILE ...]"
    doc_description = "Without FILE: the workflows of manifest.yaml."
    cmd_options = (JSON_OPTION,)
    name = "scan"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Print the references."""
        manifest, folders, layout = read_setup(Path(MANIFEST))
        if get_var("workflow"):
            names = [*names, get_var("workflow")]
        for name in names:
            if not (Path(name).is_file() or Path(name).is_dir()):
                raise SetupProblem(workflow_files.why_no_file(name), path=name)
        places = [str(Path(name).absolute()) for name in names] or manifest.workflows
        files = workflow_files.find(places)
        known = knowledge.gather(folders, layout, manifest.comfyui_url)
        if known.warning:
            warn(f"! {words.sentence(known.warning)}")
        folders = known.folders
        cache = None if names else layout.scan_cache
        scanned = scan_stage.scan(files, cache, known.loaders)
        problems = [file for file in scanned if file.problem or (names and not file.is_workflow)]
        for file in problems:
            reason = file.problem or because(Why.NO_WORKFLOW)
            warn(f"! {file.path}: {words.sentence(reason)}")
        if options["as_json"]:
            found = [reference for file in scanned for reference in file.references]
            rows = [row(reference, folders) for reference in found]
            text = msgspec.json.format(msgspec.json.encode(rows), indent=1)
            data(f"{text.decode()}\n")
        else:
            for line in table(scanned, folders, manifest):
                say(line)
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


def table(scanned: Sequence[ScannedFile], folders: Folders, manifest: Manifest) -> list[str]:
    """The workflows, each with what it has and lacks; at the end, how many are ready."""
    lines: list[str] = []
    index = StoreIndex(folders.roots())
    workflows = [file for file in scanned if file.is_workflow and not file.problem]
    ready = 0
    for file in workflows:
        shown: dict[str, list[str]] = {}
        wanted = len({r.path for r in file.references if needs.counts(manifest, r)})
        lacks: set[str] = set()
        for reference in file.references:
            there = plan_stage.found(folders, reference)
            name = printable(f"{reference.folder or '?'}/{reference.path}", 300)
            needed = needs.counts(manifest, reference)
            if needed and not there:
                lacks.add(name)
            if needed or name not in shown:
                shown[name] = [_line(reference, name, there=there, needed=needed)]
                if needed and not there:
                    shown[name] += _near_lines(reference, index, folders)
        ready += not lacks
        if shown:
            verdict = f"lacks {len(lacks)} of {wanted}" if lacks else "ready"
            rows = (line for of_one in shown.values() for line in of_one)
            lines += [f"{printable(file.workflow)}: {verdict}", *rows, ""]
    without = sum(not file.references for file in workflows)
    count = f"{len(workflows)} workflow{'s' if len(workflows) != 1 else ''}"
    summary = f"{count}: {ready} ready, {len(workflows) - ready} lack models"
    return [*lines, summary + (f" ({without} name none)" if without else "")]


def _near_lines(reference: Reference, index: StoreIndex, folders: Folders) -> list[str]:
    model = Model(folder=reference.folder, path=reference.path)
    return [f"      {printable(told(near), 400)}" for near in near_misses(index, folders, model)]


def _line(reference: Reference, name: str, *, there: bool, needed: bool) -> str:
    remarks = [
        word
        for word, said in (
            ("off", not reference.active),
            ("fetched by its node", reference.optional),
            (reference.kind.replace("_", " "), reference.kind != "file"),
            (f"needs {' and '.join(reference.files)}", bool(reference.files)),
            ("folder guessed", reference.guessed and reference.folder is not None),
            ("folder unknown", reference.folder is None),
            # A name saved on Windows: the file is there, but ComfyUI's list here spells it with /.
            ("saved with \\: choose it again", there and "\\" in reference.value and os.sep == "/"),
        )
        if said
    ]
    mark = "✓" if there else "✗" if needed else "·"
    remark = f"  ({', '.join(remarks)})" if remarks else ""
    return f"  {mark} {'present' if there else 'absent':7}  {name}{remark}"
