"""The `verify` command: the needed models that are there, or every model file of the store."""

from __future__ import annotations

from typing import Any

from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import checking
from comfyfix.screen.words import t
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.commands.base import JOBS_OPTION, Ours, jobs_of
from comfyfix.tasks.commands.verify_needed import Checked, verify_needed
from comfyfix.tasks.commands.verify_store import verify_store
from comfyfix.tasks.face.options import switch
from comfyfix.tasks.verify.side_by_side import Wish
from comfyfix.why import Why


class Verify(Ours):
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
    _code = 0

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Verify and print a line per file."""
        with signals():
            try:
                verdicts, rules = self._checked(options, names)
            except Stopped as stopped:
                return stopped.exit_code
        good = sum(verdict.good for verdict in verdicts)
        self.told = {
            "good": good,
            "unverified": sum(verdict.status == "unverified" for verdict in verdicts),
            "bad": len(verdicts) - good,
            "verdicts": list(map(checking.as_data, verdicts)),
            "policy": [checking.rule_as_data(*rule) for rule in rules],
        }
        return self._code

    def _checked(self, options: dict[str, Any], names: list[str]) -> Checked:
        if not options["store"]:
            self._code, found = verify_needed(self.runs(options), _wish(options), names)
            return found
        if names:
            raise SetupProblem(Why.STORE_TAKES_NO_MODEL, name=names[0])
        wish, places = _wish(options), self.projects(options)
        checked = [verify_store(place.manifest, wish) for place in places]
        self._code = int(any(check.bad for check in checked))
        return Checked([verdict for check in checked for verdict in check.told])


def _wish(options: dict[str, Any]) -> Wish:
    return Wish(
        anew=options["anew"],
        always=options["store"],
        ask=options["ask"],
        move=options["move"] or not options["store"],
        jobs=jobs_of(options),
    )
