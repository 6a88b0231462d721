"""Is there anything to publish? A run that has nothing to do looks at the ages of a few files."""

from __future__ import annotations

import os

from comfyfix.disk import looked
from comfyfix.tasks.run.running import Run


def is_due(run: Run) -> bool:
    """Tell whether the results of a run may differ from those that lie there, or a job asks."""
    return not is_idle(run) or on_actions(run) or _is_outdated(run)


def is_idle(run: Run) -> bool:
    """Tell whether a run had nothing to do, so that its project is as it was opened."""
    return not (run.tally.endings or run.tally.bad_verdicts or run.project.plan.pending)


def on_actions(run: Run) -> bool:
    """Tell whether a run is a job of GitHub Actions."""
    return run.environ.get("GITHUB_ACTIONS") == "true"


def _is_outdated(run: Run) -> bool:
    """Tell whether the report may say something else than what holds, by the age of files."""
    layout = run.project.layout
    made_of = (
        run.project.setup.manifest_path, layout.scan_cache, layout.ledger, layout.receipts,
        layout.links,
    )  # fmt: skip
    made = _age(layout.report / "report.json")
    return not made or any(made <= _age(path) for path in made_of)


def _age(path: os.PathLike[str]) -> int:
    info = looked.at(os.fspath(path))
    return info.st_mtime_ns if info else 0
