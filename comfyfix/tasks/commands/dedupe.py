"""The `dedupe` command: equal files of the store share their bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import deduping as shown
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import room, say
from comfyfix.screen.words import t
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.commands.base import Ours, project_heading
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run.opening import begin_store
from comfyfix.tasks.store.deduping import Deduping
from comfyfix.why import Why


class Dedupe(Ours):
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
        if names:
            raise SetupProblem(Why.DEDUPE_TAKES_NONE, name=names[0])
        with signals():
            try:
                told = {p.prefix: _project(p.manifest, options) for p in self.projects(options)}
            except Stopped as stopped:
                return stopped.exit_code
        if options["as_json"]:
            say_json_of({prefix: shown.as_data(one) for prefix, one in told.items()})
        else:
            for prefix, one in told.items():
                say(*project_heading(prefix), *shown.lines(one, room()))
        return int(any(one.failed or one.odd for one in told.values()))


def _project(manifest: Path, options: dict[str, Any]) -> shown.Shared:
    work = Deduping(begin_store(manifest))
    odd = work.settle()
    found = work.found()
    if not options["yes"]:
        return shown.Shared(found, odd=odd)
    done = work.share(found)
    return shown.Shared(found, won=done.won, failed=done.failed, odd=odd, done=True)
