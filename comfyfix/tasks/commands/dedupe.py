"""The `dedupe` command: equal files of the store share their bytes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from comfyfix.screen.commands import deduping
from comfyfix.screen.text import room
from comfyfix.screen.words import t
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.commands.base import ProjectCommand, require_no_names, tell_projects
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run.opening import begin_store
from comfyfix.tasks.store.deduping import Deduping
from comfyfix.why import Why


class Dedupe(ProjectCommand):
    """Let equal files of the store share their bytes."""

    doc_purpose = t("let equal files of the store share their bytes")
    doc_usage = "[--yes]"
    doc_description = t(
        "Equal content is found by hash. Where owner, group, mode, access list and attributes are "
        "equal too, the files become links of the oldest; else they share their blocks, where the "
        "disk can. Without `--yes` nothing is changed. What was hashed is remembered: stopped by "
        "Ctrl-C, the same command goes on where it was."
    )
    cmd_options = (switch("yes", t("do it, and do not only show it")), JSON_OPTION)
    name = "dedupe"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Find, and share what is asked for."""
        require_no_names(names, Why.DEDUPE_TAKES_NONE)
        with signals():
            try:
                outcomes = [
                    (p.prefix, _deduped(p.manifest, share=options["yes"]))
                    for p in self.projects(options)
                ]
            except Stopped as stopped:
                return stopped.exit_code
        lines = partial(deduping.lines, room=room())
        tell_projects(outcomes, deduping.as_data, lines, as_json=options["as_json"])
        return int(any(outcome.failed or outcome.unfinished for _, outcome in outcomes))


def _deduped(manifest: Path, *, share: bool) -> deduping.Shared:
    work = Deduping(begin_store(manifest))
    unfinished = work.settle()
    equal = work.find()
    if not share:
        return deduping.Shared(equal, unfinished=unfinished)
    won, failed = work.share(equal.planned)
    return deduping.Shared(equal, won=won, failed=failed, unfinished=unfinished, done=True)
