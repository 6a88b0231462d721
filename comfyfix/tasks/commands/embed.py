"""The `embed` command: where models are from, written into the workflows that name them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from comfyfix import project as projects
from comfyfix.comfyui.workflows import edited
from comfyfix.comfyui.workflows.graph import NotAWorkflow
from comfyfix.disk import in_place
from comfyfix.errors import unwritable
from comfyfix.project import Project
from comfyfix.records import Reason, Reference, because
from comfyfix.screen import notes
from comfyfix.screen.commands import embedding
from comfyfix.screen.commands.embedding import Sheet
from comfyfix.screen.words import t
from comfyfix.setup import read_setup
from comfyfix.stages.addresses import embed
from comfyfix.stages.addresses.embed import Address, Embedded
from comfyfix.stages.needs import loaders as knowledge
from comfyfix.stages.needs.hints import Hints
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.tasks.commands.base import ProjectCommand, tell_projects, workflows_to_edit
from comfyfix.tasks.face.dodo import Tasks
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.searching import side_by_side
from comfyfix.why import Why

_Key = tuple[str, str, str, str]


class Embed(ProjectCommand):
    """Write into workflows where their models can be had."""

    doc_purpose = t("write into workflows where their models can be had, for whoever gets them")
    doc_usage = "[WORKFLOW ...]"
    doc_description = t(
        "Writes the address and hash of each model that is found into a copy, NAME.comfyfix.json "
        "beside NAME.json, where ComfyUI looks for them (`properties.models` of its nodes); "
        "nothing else in it differs. Without WORKFLOW: the workflows of manifest.yaml."
    )
    cmd_options = (
        switch("in-place", t("change the workflow itself, and keep it as NAME.json.bak")),
        switch("dry-run", t("show what would be written, and write nothing")),
        JSON_OPTION,
    )
    name = "embed"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Search and write."""
        names = workflows_to_edit(names)
        projects = [(p.prefix, _sheets(p, options, names)) for p in self.projects(options)]
        tell_projects(
            projects,
            partial(embedding.as_data, dry=options["dry_run"]),
            partial(embedding.table, dry=options["dry_run"]),
            as_json=options["as_json"],
        )
        return int(not all(sheet.is_done for _, sheets in projects for sheet in sheets))


def _sheets(tasks: Tasks, options: dict[str, Any], names: list[str]) -> list[Sheet]:
    project = _opened(tasks.manifest, names, dry=options["dry_run"])
    named = {*names}
    files, sheets = [], []
    for file in project.scanned:
        if file.problem or (file.path in named and not file.is_workflow):
            reason = file.problem or because(Why.HOLDS_NO_WORKFLOW, path=file.path)
            sheets.append(Sheet(file.workflow, problem=reason))
        elif file.is_workflow:
            files.append(file)
    return [*sheets, *_Work(project, options, tasks.prefix).sheets(files)]


def _opened(manifest_path: Path, names: list[str], *, dry: bool) -> Project:
    """Open a project with what is searched, and these workflows if there are any."""
    from comfyfix.stages.addresses import addressed  # 200 ms that only a search needs

    setup = read_setup(manifest_path, notes.remark)
    if setup.manifest.is_demo and not dry:
        from comfyfix.demo import example  # only the demo needs it

        if example.lay_out(setup.manifest):
            setup = read_setup(manifest_path, bool)
    manifest = addressed.searching(setup.manifest)
    if names:
        manifest = msgspec.structs.replace(manifest, workflows=tuple(names))
    return projects.scan_and_plan(replace(setup, manifest=manifest), bool)


class _Work:
    """One call of the command for one project."""

    def __init__(self, project: Project, options: dict[str, Any], prefix: str) -> None:
        from comfyfix.stages.addresses import addressed, proven  # 200 ms that only a search needs

        self._in_place, self._dry = options["in_place"], options["dry_run"]
        setup = project.setup
        self._loaders = knowledge.gather(
            setup.folders, setup.layout, setup.manifest.comfyui_url
        ).loaders
        self._run = Run(project, lambda: project, prefix)
        hints = Hints(file.hints for file in project.scanned)
        records = addressed.Records(self._run.services(), hints, notes.hashing)
        self._proofs = proven.Proofs(records)
        self._items: dict[_Key, list[Planned | Present]] = defaultdict(list)
        items: list[Planned | Present] = [*project.plan.models, *project.plan.present]
        for item in items:
            for reference in item.references:
                self._items[_key(reference)].append(item)
        self._answers: dict[str, Address | Reason] = {}

    def sheets(self, files: Sequence[ScannedFile]) -> Iterator[Sheet]:
        """What is written into each workflow, or would be."""
        # What can't be written at all is told before anything is searched.
        stuck = {file.path: reason for file in files if (reason := self._stuck(file))}
        named = {
            item.model.key: item
            for file in files
            if file.path not in stuck
            for reference in file.references
            for item in self._items[_key(reference)]
        }
        if named:
            notes.searching(len(named))
        answers = side_by_side(self._run, list(named.values()), self._proofs.of)
        self._answers = dict(zip(named, answers, strict=True))
        for file in files:
            reason = stuck.get(file.path)
            yield Sheet(file.workflow, problem=reason) if reason else self._sheet(file)

    def _stuck(self, file: ScannedFile) -> Reason | None:
        """Why a workflow can't be written, if that is known at once."""
        try:
            source = edited.opened(file.path)
            if isinstance(source, Reason):
                return source
            if reason := embed.refused(file.path, source):
                return reason
            return in_place.refused(Path(file.path)) if self._in_place else None
        except NotAWorkflow as error:
            return error.reason
        except OSError as error:
            return unwritable(error, file.path).reason

    def _sheet(self, file: ScannedFile) -> Sheet:
        try:
            source = edited.opened(file.path)
            if isinstance(source, Reason):
                return Sheet(file.workflow, problem=source)
            made = embed.embedded(
                source, file.workflow, self._loaders, self._answers_of, self._proofs.leads
            )
            sheet = Sheet(file.workflow, mentions=made.mentions, left=list(made.left))
            return self._written(file, source, made, sheet) if made.differs else sheet
        except NotAWorkflow as error:
            return Sheet(file.workflow, problem=error.reason)
        except OSError as error:
            return Sheet(file.workflow, problem=unwritable(error, file.path).reason)

    def _written(
        self, file: ScannedFile, source: edited.Source, made: Embedded, sheet: Sheet
    ) -> Sheet:
        if not self._in_place:
            sheet.copy, sheet.there = edited.place(file.path, made.data, "comfyfix")
            if not self._dry:
                edited.write(sheet.copy, made.data, of=file.path, there=sheet.there)
            return sheet
        if not self._dry:
            backup = in_place.replace(Path(file.path), source.data, made.data)
            if isinstance(backup, Reason):
                return Sheet(file.workflow, problem=backup)
            sheet.backup = str(backup)
        sheet.copy = file.path
        return sheet

    def _answers_of(self, reference: Reference) -> Iterator[tuple[str, Address | Reason]]:
        """What is known of the models of a reference, with the names that their entries get."""
        for item in self._items[_key(reference)]:
            path = item.model.path
            # The frontend compares the name with the value, letter by letter.
            same = (name for name in reference.files if name.replace("\\", "/") == path)
            name = next(same, item.model.name) if reference.files else str(reference.value)
            answer = self._answers.get(item.model.key)
            if isinstance(answer, Address) and answer.parts:
                above = name[: max(name.rfind("/"), name.rfind("\\")) + 1]
                for part in answer.parts:
                    yield above + part.model.rpartition("/")[2], part
            elif answer is not None:
                yield name, answer


def _key(reference: Reference) -> _Key:
    return reference.workflow, reference.node_id, reference.input, str(reference.value)
