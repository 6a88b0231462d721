"""The `relink` command: workflows put right in copies, or links of the names that they have."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows import edited
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.comfyui.workflows.graph import NotAWorkflow
from comfyfix.errors import SetupProblem, unwritable
from comfyfix.records import Left, Reason, because
from comfyfix.screen import notes
from comfyfix.screen.commands import relinking
from comfyfix.screen.commands.relinking import Sheet
from comfyfix.screen.words import t
from comfyfix.setup import Setup, read_setup
from comfyfix.stages.needs import loaders as knowledge
from comfyfix.stages.needs import scan as scan_stage
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.values import linking, relink
from comfyfix.stages.values.relink import Fix
from comfyfix.state import links
from comfyfix.state.links import Link, State
from comfyfix.tasks.commands.base import ProjectCommand, tell_projects, workflows_to_edit
from comfyfix.tasks.face.dodo import Tasks
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.why import Why


class Relink(ProjectCommand):
    """Make ComfyUI take values that it refuses although their file is there."""

    doc_purpose = t("put right what ComfyUI refuses although its file is there")
    doc_usage = "[WORKFLOW ...]"
    doc_description = t(
        "ComfyUI takes a value only as its own list has it. Writes a copy with the values that it "
        "takes, NAME.relinked.json beside NAME.json; nothing else in it differs. Without WORKFLOW: "
        "the workflows of manifest.yaml."
    )
    cmd_options = (
        switch("link", t("make links of the refused names in ComfyUI's own models/ instead")),
        switch("list", t("list the links that were made")),
        switch("undo", t("take back the links that were made")),
        switch("dry-run", t("show what would be done, and write nothing")),
        JSON_OPTION,
    )
    name = "relink"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Put right, link, or take back."""
        names = workflows_to_edit(names)
        if names and (options["list"] or options["undo"]):
            raise SetupProblem(Why.RELINK_TAKES_NONE)
        outcomes = [(p.prefix, _outcome(p, options, names)) for p in self.projects(options)]
        tell_projects(outcomes, lambda o: o.data, lambda o: o.lines, as_json=options["as_json"])
        return int(not all(outcome.good for _, outcome in outcomes))


class _Outcome(NamedTuple):
    """What was done to one project: for programs, for people, and whether nothing is left."""

    data: dict[str, Any]
    lines: list[str]
    good: bool = True


def _outcome(tasks: Tasks, options: dict[str, Any], names: list[str]) -> _Outcome:
    setup, dry = read_setup(tasks.manifest, notes.remark), options["dry_run"]
    if options["list"] or options["undo"]:
        undo = options["undo"]
        states = _links(setup, undo=undo and not dry)
        lines = [*(relinking.undone(states, dry=dry) if undo else relinking.links(states))]
        return _Outcome(relinking.as_data([], states, dry=dry), lines)
    work = _Work(setup, link=options["link"], dry=dry)
    sheets = work.sheets(names)
    made = [(link, links.state(link)) for link in work.made]
    lines = list(relinking.table(sheets, dry=dry))
    good = all(sheet.is_done for sheet in sheets)
    return _Outcome(relinking.as_data(sheets, made, dry=dry), lines, good)


def _links(setup: Setup, *, undo: bool) -> list[tuple[Link, State]]:
    try:
        state = partial(links.undo, setup.layout) if undo else links.state
        return [(link, state(link)) for link in links.load(setup.layout)]
    except OSError as error:
        path, cause = error.filename or setup.layout.links, error.strerror or str(error)
        raise SetupProblem(Why.OUTPUT_UNUSABLE, path=path, cause=cause) from None


class _Work:
    """One call of the command; `made` are the links that it has made."""

    def __init__(self, setup: Setup, *, link: bool, dry: bool) -> None:
        comfyui = knowledge.gather(setup.folders, setup.layout, setup.manifest.comfyui_url)
        if comfyui.warning:
            notes.remark(comfyui.warning)
        self._setup, self._link, self._dry = setup, link, dry
        self._comfyui, folders = comfyui, comfyui.folders
        index = StoreIndex(folders.roots(), folders.links)
        self._finder = relink.Finder(Lookup(folders), index)
        self._linked: dict[Path, str] = {}
        self.made: list[Link] = []

    def sheets(self, names: list[str]) -> list[Sheet]:
        """Put right the workflows of these names, or all; those that need nothing are left out."""
        places = names or self._setup.manifest.workflows
        cache = None if names else self._setup.layout.scan_cache
        comfyui = self._comfyui
        files = scan_stage.scan(workflow_files.find(places), cache, comfyui.loaders, comfyui.nodes)
        sheets = []
        for file in files:
            if file.problem or (names and not file.is_workflow):
                reason = file.problem or because(Why.HOLDS_NO_WORKFLOW, path=file.path)
                sheets.append(Sheet(file.workflow, problem=reason))
            elif refused := list(relink.remedies(file.references, self._finder)):
                sheets.append(self._linked_up(file, refused) if self._link else self._copied(file))
        return sheets

    def _copied(self, file: ScannedFile) -> Sheet:
        try:
            copy = relink.copy_of(file.path, file.workflow, self._comfyui.loaders, self._finder)
            if isinstance(copy, Reason):
                return Sheet(file.workflow, problem=copy)
            if copy.fixes and not self._dry:
                edited.write(copy.copy, copy.data, of=file.path, there=copy.there)
        except NotAWorkflow as error:
            return Sheet(file.workflow, problem=error.reason)
        except OSError as error:
            return Sheet(file.workflow, problem=unwritable(error, file.path).reason)
        left = list(copy.left)
        return Sheet(file.workflow, copy.copy, there=copy.there, fixes=copy.fixes, left=left)

    def _linked_up(self, file: ScannedFile, refused: list[Fix | Left]) -> Sheet:
        sheet = Sheet(file.workflow, left=[value for value in refused if isinstance(value, Left)])
        fixes: dict[str, Fix] = {}
        for fix in (value for value in refused if isinstance(value, Fix)):
            path = self._link_of(fix)
            if isinstance(path, Reason):
                sheet.left.append(Left(fix.reference, path))
            else:
                sheet.links[fix.reference.value] = path
                fixes.setdefault(fix.reference.value, fix)
        sheet.fixes = tuple(fixes.values())
        return sheet

    def _link_of(self, fix: Fix) -> str | Reason:
        """Make the link of a value, once for all workflows."""
        path = linking.place(self._comfyui.folders, fix, self._linked)
        if isinstance(path, Reason):
            return path
        if path not in self._linked and not self._dry:
            try:
                self.made.append(links.make(self._setup.layout, path, fix.location))
            except OSError as error:
                return because(Why.SYSTEM_SAYS, error=error.strerror or str(error))
        self._linked[path] = fix.location
        return str(path)
