"""The `verify` command: the needed models that are there, or every model file of the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from comfyfix.screen import notes
from comfyfix.screen.commands import checking
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stages.store import sweep
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.commands.base import JOBS_OPTION, ProjectCommand, jobs_of, require_no_names
from comfyfix.tasks.commands.verify_needed import Checked, verify_needed
from comfyfix.tasks.face.options import switch
from comfyfix.tasks.run.opening import begin_store
from comfyfix.tasks.store.in_tier import opened_in
from comfyfix.tasks.verify.side_by_side import Check, Wish
from comfyfix.why import Why


class Verify(ProjectCommand):
    """Check the model files that are there; never downloads."""

    doc_purpose = t("check the model files that are there")
    doc_usage = "[MODEL ...]"
    doc_description = t(
        "MODEL is a task name, a file name, or folder/path. Without MODEL: every needed model. "
        "A damaged file is moved aside, so that the next run fetches it; so is an unsafe one. "
        "With --store every model file of all model folders is hashed, also those that no "
        "workflow needs, and nothing is moved unless --move says so. What was hashed is "
        "remembered: stopped by Ctrl-C, the same command goes on where it was."
    )
    cmd_options = (
        switch("store", t("check every model file in all model folders; moves nothing")),
        switch("move", t("with --store: move damaged and unsafe files aside, as without it")),
        switch(
            "ask",
            t(
                "look up files that nothing here knows: Civitai is told their hashes, "
                "Hugging Face their names"
            ),
        ),
        switch("anew", t("hash every file, also where size and time are as they were")),
        JOBS_OPTION,
    )
    name = "verify"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Verify and print a line per file."""
        with signals():
            try:
                checked = self._checked(options, names)
            except Stopped as stopped:
                return stopped.exit_code
        good = sum(verdict.good for verdict in checked.verdicts)
        self.answer = {
            "good": good,
            "unverified": sum(verdict.status == "unverified" for verdict in checked.verdicts),
            "bad": len(checked.verdicts) - good,
            "verdicts": list(map(checking.as_data, checked.verdicts)),
            "policy": [checking.rule_as_data(*rule) for rule in checked.rules],
        }
        return int(checked.failed)

    def _checked(self, options: dict[str, Any], names: list[str]) -> Checked:
        if not options["store"]:
            return verify_needed(self.runs(options), _wish(options), names)
        require_no_names(names, Why.STORE_TAKES_NO_MODEL)
        wish, projects = _wish(options), self.projects(options)
        checks = [_verify_store(project.manifest, wish) for project in projects]
        verdicts = [verdict for check in checks for verdict in check.verdicts]
        return Checked(verdicts, failed=any(check.bad for check in checks))


def _verify_store(manifest: Path, wish: Wish) -> Check:
    """Verify every model file of all model folders, and print a line per file."""
    begun = time.monotonic()
    run = begin_store(manifest)
    run.set_right()
    project = run.project
    files = sweep.whole_store(project.manifest, project.folders, project.layout, project.trust)
    choices = list(opened_in(run).with_copies(files))
    size = sweep.total(choices)
    say(checking.verifying(len(choices), size))
    check = Check(run, choices, wish)
    check.verify_all()
    for problem in check.problems:
        notes.remark(problem)
    say(checking.store(check.count, size, time.monotonic() - begun))
    say(*checking.advice(check.stayed, check.unknown))
    return check


def _wish(options: dict[str, Any]) -> Wish:
    return Wish(
        anew=options["anew"],
        always=options["store"],
        ask=options["ask"],
        move=options["move"] or not options["store"],
        jobs=jobs_of(options),
    )
