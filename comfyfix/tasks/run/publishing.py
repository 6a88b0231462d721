"""The results of a project, put where others look for them: files, annotations, a job's summary."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from comfyfix import templates
from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.disk import regular
from comfyfix.disk.code import stamp_of_code
from comfyfix.disk.files import write_atomic, write_if_changed
from comfyfix.errors import SetupProblem, unwritable
from comfyfix.project import Project
from comfyfix.records import Verdict
from comfyfix.screen import notes
from comfyfix.screen.results import sheet
from comfyfix.screen.results.sheet import Sheet
from comfyfix.screen.text import say_as_is
from comfyfix.screen.words import t
from comfyfix.stages.reports import results
from comfyfix.stages.reports.results import History, Report
from comfyfix.stages.values.refused import Refusing
from comfyfix.state import pieces, rendered
from comfyfix.state.layout import Layout
from comfyfix.state.pieces import Form
from comfyfix.tasks.run.due import is_idle, on_actions
from comfyfix.tasks.run.running import Run
from comfyfix.version import __version__

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
    refusals = Refusing(project.manifest, Lookup(project.folders)).of_files(project.scanned)
    history = History(project.layout, verdicts or {})
    return results.make(project.plan, project.scanned, refusals, history)


def write(project: Project, report: Report) -> list[Path]:
    """Write each format, unless its file holds just this already. Raises OSError."""
    root = project.setup.manifest_path.parent
    top = os.environ.get("CI_PROJECT_DIR") or root
    on_gitlab = os.environ.get("GITLAB_CI") == "true"
    layout, names = project.layout, (*_FORMATS, *((_QUALITY,) if on_gitlab else ()))
    files = [layout.report / name for name in names]
    rows = sheet.of(report, root)
    ground = rendered.digest(_grounds(root, top))
    made_of = rendered.digest_of_rows(ground, rows.models, rows.flows)
    if not rendered.holds(layout, made_of, files):
        layout.report.mkdir(parents=True, exist_ok=True)
        _write_all(layout, ground, files, _forms(rows, top))
    files[0].touch()  # how new it is says whether it has to be looked at again
    rendered.keep(layout, made_of, files)
    return files


def _write_all(
    layout: Layout, ground: str, files: Sequence[Path], forms: Iterator[Callable[[], Form | bytes]]
) -> None:
    """Write each format; of those made of rows the rows that are as they were are not made."""
    past = pieces.load(layout, ground)
    present = {}
    for path, make in zip(files, forms, strict=False):
        form = make()
        if isinstance(form, bytes):
            write_if_changed(path, form)
            continue
        old = rendered.as_written(layout, path)
        content, present[path.name] = pieces.written(form, old, past.get(path.name, {}))
        if content != old:
            write_atomic(path, content)
    pieces.keep(layout, ground, present)


def _forms(rows: Sheet, top: Path | str) -> Iterator[Callable[[], Form | bytes]]:
    """What makes each format, in the order of their names."""
    from comfyfix.screen.results import faults, junit, markdown, page, sbom, shape

    yield lambda: shape.form(rows)
    yield lambda: page.form(rows)
    yield lambda: junit.form(rows)
    yield lambda: markdown.markdown(rows.report)
    yield lambda: sbom.form(rows)
    yield lambda: faults.quality(rows.report, top)


def _grounds(root: Path, top: Path | str) -> Iterator[object]:
    """All that the formats are made of but the report itself."""
    yield __version__, stamp_of_code(), os.environ.get("COMFYFIX_WORDS")
    yield from map(templates.text, _TEMPLATES)
    yield str(root), str(top)


def after(run: Run, *, aloud: bool) -> Report | None:
    """Publish what a run has come to; `aloud`: lines for the job may stand on stdout.

    Returns the report, None where it could not be made. Nothing that goes wrong here is a failure
    of the run.
    """
    report: Report | None = None
    try:
        project = run.project if is_idle(run) else run.reopen()
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
