"""The `relink` command: workflows put right in copies, or links of the names that they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.comfyui.workflows import edited
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.comfyui.workflows.graph import NotAWorkflow
from comfyfix.errors import SetupProblem
from comfyfix.records import Left, Reason, because
from comfyfix.screen import notes
from comfyfix.screen.commands import relinking
from comfyfix.screen.commands.relinking import Sheet
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.setup import Setup, read_setup
from comfyfix.stages.needs import loaders as knowledge
from comfyfix.stages.needs import scan as scan_stage
from comfyfix.stages.needs.scan import ScannedFile
from comfyfix.stages.values import linking, relink
from comfyfix.stages.values.relink import Fix
from comfyfix.state import links
from comfyfix.state.links import Link, State
from comfyfix.tasks.commands.base import Ours, project_heading, to_edit
from comfyfix.tasks.face.dodo import Tasks
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.why import Why


class Relink(Ours):
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
        names = to_edit(names)
        if names and (options["list"] or options["undo"]):
            raise SetupProblem(Why.RELINK_TAKES_NONE)
        done = [_project(p, options, names) for p in self.projects(options)]
        if options["as_json"]:
            say_json_of({prefix: one.told for prefix, one in done})
        else:
            for prefix, one in done:
                say(*project_heading(prefix), *one.lines)
        return 0 if all(one.good for _, one in done) else 1


class _Done(NamedTuple):
    """What was done to one project: for programs, for people, and whether nothing is left."""

    told: dict[str, Any]
    lines: list[str]
    good: bool = True


def _project(tasks: Tasks, options: dict[str, Any], names: list[str]) -> tuple[str, _Done]:
    setup, dry = read_setup(tasks.manifest, notes.remark), options["dry_run"]
    if options["list"] or options["undo"]:
        told = _links(setup, undo=options["undo"] and not dry)
        undone = options["undo"]
        lines = [*(relinking.undone(told, dry=dry) if undone else relinking.links(told))]
        return tasks.prefix, _Done(relinking.as_data([], told, dry=dry), lines)
    work = _Work(setup, link=options["link"], dry=dry)
    sheets = work.of(names)
    made = [(link, links.state(link)) for link in work.made]
    lines = list(relinking.table(sheets, dry=dry))
    good = all(sheet.is_done for sheet in sheets)
    return tasks.prefix, _Done(relinking.as_data(sheets, made, dry=dry), lines, good)


def _links(setup: Setup, *, undo: bool) -> list[tuple[Link, State]]:
    try:
        known = links.load(setup.layout)
        if undo:
            return [(link, links.undo(setup.layout, link)) for link in known]
        return [(link, links.state(link)) for link in known]
    except OSError as error:
        path, cause = error.filename or setup.layout.links, error.strerror or str(error)
        raise SetupProblem(Why.OUTPUT_UNUSABLE, path=path, cause=cause) from None


class _Work:
    """One call of the command; `made` are the links that it has made."""

    def __init__(self, setup: Setup, *, link: bool, dry: bool) -> None:
        known = knowledge.gather(setup.folders, setup.layout, setup.manifest.comfyui_url)
        if known.warning:
            notes.remark(known.warning)
        self._setup, self._link, self._dry = setup, link, dry
        self._loaders, self._folders = known.loaders, known.folders
        self._nodes = known.nodes
        self._finder = _finder(known.folders)
        self._linked: dict[Path, str] = {}
        self.made: list[Link] = []

    def of(self, names: list[str]) -> list[Sheet]:
        """Put right the workflows of these names, or all; those that need nothing are left out."""
        places = names or self._setup.manifest.workflows
        cache = None if names else self._setup.layout.scan_cache
        files = scan_stage.scan(workflow_files.find(places), cache, self._loaders, self._nodes)
        sheets = []
        for file in files:
            if file.problem or (names and not file.is_workflow):
                reason = file.problem or because(Why.HOLDS_NO_WORKFLOW, path=file.path)
                sheets.append(Sheet(file.workflow, problem=reason))
            elif told := list(relink.refused(file.references, self._finder)):
                sheets.append(self._linked_up(file, told) if self._link else self._copied(file))
        return sheets

    def _copied(self, file: ScannedFile) -> Sheet:
        try:
            copy = relink.copy_of(file.path, file.workflow, self._loaders, self._finder)
            if isinstance(copy, Reason):
                return Sheet(file.workflow, problem=copy)
            if copy.fixes and not self._dry:
                edited.write(copy.copy, copy.data, of=file.path, there=copy.there)
        except NotAWorkflow as error:
            return Sheet(file.workflow, problem=error.reason)
        except OSError as error:
            cause = error.strerror or str(error)
            path = error.filename or file.path
            told = because(Why.FILE_UNWRITABLE, path=path, cause=cause)
            return Sheet(file.workflow, problem=told)
        left = list(copy.left)
        return Sheet(file.workflow, copy.copy, there=copy.there, fixes=copy.fixes, left=left)

    def _linked_up(self, file: ScannedFile, told: list[Fix | Left]) -> Sheet:
        sheet = Sheet(file.workflow, left=[left for left in told if isinstance(left, Left)])
        fixes: dict[str, Fix] = {}
        for fix in told:
            if isinstance(fix, Fix):
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
        path = linking.place(self._folders, fix, self._linked)
        if isinstance(path, Reason):
            return path
        if path not in self._linked and not self._dry:
            try:
                self.made.append(links.make(self._setup.layout, path, fix.location))
            except OSError as error:
                return because(Why.SYSTEM_SAYS, error=error.strerror or str(error))
        self._linked[path] = fix.location
        return str(path)


def _finder(folders: Folders) -> relink.Finder:
    return relink.Finder(Lookup(folders), StoreIndex(folders.roots(), folders.links))
