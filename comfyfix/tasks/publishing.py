"""The results of a project, put where others look for them: files, annotations, a job's summary."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import comfyfix
from comfyfix import __version__, templates
from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.disk import regular
from comfyfix.disk.code import stamp_of_code
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
from comfyfix.state import ledger, receipts, rendered
from comfyfix.tasks.due import is_idle, on_actions
from comfyfix.tasks.running import Run

PAGE = "report.html"
_QUALITY = "gl-code-quality-report.json"
_FORMATS = ("report.json", PAGE, "junit.xml", "report.md", "sbom.cdx.json")
_TEMPLATES = ("report/page.html.j2", "report/page.css", "report/page.js")
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
    root = project.setup.manifest_path.parent
    top = os.environ.get("CI_PROJECT_DIR") or root
    on_gitlab = os.environ.get("GITLAB_CI") == "true"
    layout, names = project.layout, (*_FORMATS, *((_QUALITY,) if on_gitlab else ()))
    files = [layout.report / name for name in names]
    made_of = rendered.digest(_grounds(report, root, top))
    if not rendered.holds(layout, made_of, files):
        layout.report.mkdir(parents=True, exist_ok=True)
        for path, content in zip(files, _contents(report, root, top), strict=False):
            write_if_changed(path, content())
    files[0].touch()  # how new it is says whether it has to be looked at again
    rendered.keep(layout, made_of, files)
    return files


def _contents(report: Report, root: Path, top: Path | str) -> Iterator[Callable[[], bytes]]:
    """What makes each format, in the order of their names."""
    from comfyfix.screen.results import faults, junit, markdown, page, sbom, shape

    shaped = shape.shaped(report, root)
    yield lambda: to_json(shaped)
    yield lambda: page.page(shaped)
    yield lambda: junit.junit(report)
    yield lambda: markdown.markdown(report)
    yield lambda: sbom.sbom(report)
    yield lambda: faults.quality(report, top)


def _grounds(report: Report, root: Path, top: Path | str) -> Iterator[object]:
    """All that the formats are made of."""
    yield __version__, stamp_of_code(comfyfix), os.environ.get("COMFYFIX_WORDS")
    yield from map(templates.text, _TEMPLATES)
    yield str(root), str(top)
    yield from report.models
    yield from report.workflows


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
