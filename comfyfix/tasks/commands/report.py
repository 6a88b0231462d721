"""The `report` command: how everything stands, as files that others read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from comfyfix.errors import unwritable
from comfyfix.process import browse
from comfyfix.screen import notes
from comfyfix.screen.objects import say_json, say_json_of
from comfyfix.screen.text import data, say
from comfyfix.screen.words import t
from comfyfix.settings.secrets import without_secrets
from comfyfix.setup import unusable
from comfyfix.stages.reports import results
from comfyfix.tasks.commands.base import ProjectCommand, project_heading, require_no_names
from comfyfix.tasks.face.options import CHECK_OPTION, JSON_OPTION, switch
from comfyfix.tasks.run import publishing
from comfyfix.tasks.run.publishing import PAGE
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why


class Report(ProjectCommand):
    """Write how each model and workflow stands."""

    doc_purpose = t("write how each model and workflow stands, as files that others read")
    doc_usage = ""
    doc_description = t(
        "Into `output/report`: report.html for people (--open shows it), report.json (its JSON "
        "Schema: --schema), junit.xml, report.md and sbom.cdx.json. A run writes them too. Nothing "
        "is searched, hashed or downloaded."
    )
    cmd_options = (
        JSON_OPTION,
        CHECK_OPTION,
        switch("schema", t("print the JSON Schema of report.json")),
        switch("open", t("show report.html in the browser")),
    )
    name = "report"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Write the files."""
        from comfyfix.screen.results import shape

        require_no_names(names, Why.REPORT_TAKES_NONE)
        if options["schema"]:
            schema = shape.schema()
            if options["as_json"]:
                say_json({"schema": msgspec.Raw(schema)})
            else:
                data(schema.decode())
            return 0
        written = [(run, *_written(run)) for run in self.runs(options)]
        if options["as_json"]:
            shaped = {
                run.prefix: shape.shaped(report, run.project.setup.manifest_path.parent)
                for run, report, _ in written
            }
            say_json_of(shaped)
        else:
            for run, _, paths in written:
                say(*project_heading(run.prefix), *(f"  {path}" for path in paths))
        if options["open"] and not all(_shown(run) for run, _, paths in written if paths):
            return 1
        return int(options["check"] and not all(report.good for _, report, _ in written))


def _written(run: Run) -> tuple[results.Report, list[Path]]:
    notes.unreadable(run.project.plan.unreadable)
    run.set_right()
    try:
        report = publishing.of_project(run.project)
    except OSError as error:
        raise unusable(error, run.project.layout) from None
    try:
        return report, publishing.write(run.project, report)
    except OSError as error:
        notes.remark(unwritable(error, run.project.layout.report))
        return report, []


def _shown(run: Run) -> bool:
    page = run.project.layout.report / PAGE
    shown = browse(page, without_secrets(run.environ))
    if not shown:
        notes.remark(t("no browser could be started: open {page} yourself", page=page))
    return shown
