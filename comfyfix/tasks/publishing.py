"""The results of a project, put where others look for them: files, annotations, a job's summary."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.disk import regular
from comfyfix.disk.files import write_if_changed
from comfyfix.errors import SetupProblem, unwritable
from comfyfix.project import Project
from comfyfix.records import Verdict, to_json
from comfyfix.screen import notes
from comfyfix.screen.text import say_as_is
from comfyfix.screen.words import t
from comfyfix.stages import results
from comfyfix.stages.refused import Refusing
from comfyfix.stages.results import Known, Report
from comfyfix.state import ledger, receipts
from comfyfix.tasks.due import is_idle, on_actions
from comfyfix.tasks.running import Run

PAGE = "report.html"
SUMMARY_MAX = 1_000_000
"""Bytes of a job's summary: GitHub takes 1 MiB of one step."""


def of_project(project: Project, verdicts: dict[str, Verdict] | None = None) -> Report:
    """Make the report of a project; `verdicts` are those of this run that are bad.

    Raises OSError, SetupProblem.
    """
    layout = project.layout
    known = Known(ledger.load(layout), receipts.load(layout), verdicts or {})
    refusing = Refusing(project.manifest, Lookup(project.folders))
    refusals = refusing.of_files(project.scanned)
    return results.make(project.plan, project.scanned, refusals, known)


def write(project: Project, report: Report) -> list[Path]:
    """Write each format, unless its file holds just this already. Raises OSError."""
    from comfyfix.screen.results import faults, junit, markdown, page, sbom, shape

    root = project.setup.manifest_path.parent
    shaped = shape.shaped(report, root)
    made: dict[str, Callable[[], bytes]] = {
        "report.json": lambda: to_json(shaped),
        PAGE: lambda: page.page(shaped),
        "junit.xml": lambda: junit.junit(report),
        "report.md": lambda: markdown.markdown(report),
        "sbom.cdx.json": lambda: sbom.sbom(report),
    }
    if os.environ.get("GITLAB_CI") == "true":
        top = os.environ.get("CI_PROJECT_DIR") or root
        made["gl-code-quality-report.json"] = lambda: faults.quality(report, top)
    folder = project.layout.report
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        write_if_changed(folder / name, content())
    (folder / "report.json").touch()  # how new it is says whether it has to be made again
    return [folder / name for name in made]


def after(run: Run, *, aloud: bool) -> Report | None:
    """Publish what a run has come to; `aloud`: lines for the job may stand on stdout.

    Returns the report, None where it could not be made. Nothing that goes wrong here is a failure
    of the run.
    """
    report: Report | None = None
    try:
        project = run.project if is_idle(run) else run.again()
        report = of_project(project, {v.model: v for v in run.tally.bad_verdicts})
        write(project, report)
    except SetupProblem as problem:
        notes.remark(problem)
    except OSError as error:
        notes.remark(unwritable(error, run.project.layout.report))
    else:
        if aloud and not is_idle(run):
            run.console.line(f"  {t('Report: {page}', page=run.project.layout.report / PAGE)}")
        if on_actions(run):
            _to_actions(run, project, report, aloud=aloud)
    return report


def _to_actions(run: Run, project: Project, report: Report, *, aloud: bool) -> None:
    """Annotations beside the lines of workflows, and the summary of the job."""
    from comfyfix.screen.results import faults, markdown

    root = project.setup.manifest_path.parent
    top = run.environ.get("GITHUB_WORKSPACE") or root
    for fault in faults.faults(report, top) if aloud else ():
        say_as_is(faults.annotation(fault))
    path = run.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with contextlib.suppress(OSError):  # the files of the report tell the same
            regular.append(Path(path), markdown.markdown(report)[:SUMMARY_MAX])
