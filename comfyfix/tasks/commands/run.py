"""The `run` command: doit's own, with a question first, soft dependencies and a clean stop.

Where all is settled, and a kept answer says so, that is told at once: what work needs is loaded by
those who have some.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from doit import cmd_run

from comfyfix.screen.run import summary
from comfyfix.screen.run.console import choose
from comfyfix.screen.words import t
from comfyfix.stages.reports.tally import Tally
from comfyfix.tasks.face.dodo import ONLY_WORK, tasks_in
from comfyfix.tasks.face.guard import Guarded
from comfyfix.tasks.face.inside_doit import Defaults, has_others
from comfyfix.tasks.face.options import switch
from comfyfix.tasks.run import idle
from comfyfix.tasks.run.reporter import is_ours

if TYPE_CHECKING:
    from comfyfix.state.layout import Layout
    from comfyfix.tasks.face.dodo import Tasks


_FAIL_FAST = switch("fail-fast", t("begin nothing more once one model has failed"))


class RunCommand(Guarded, cmd_run.Run):  # type: ignore[misc]
    """Search, download and verify what is missing (doit's `run`)."""

    doc_purpose = t("search, download and verify the missing models")
    name: ClassVar[str] = "run"
    cmd_options = (*cmd_run.Run.cmd_options, _FAIL_FAST)
    asked_for_object = False
    """Is an object asked for? Then it has the report."""

    def lines_to(self) -> TextIO:
        """A run takes long: who waits for its object reads its lines on stderr."""
        self.asked_for_object = True
        return sys.stderr

    def execute(self, params: Any, args: list[str]) -> int:
        """Run what the arguments name."""
        self.pos_args = args
        self.params = params
        token = ONLY_WORK.set(self._is_about_work)
        try:
            with idle.looking(wanted=not args) as self.noted:
                return super().execute(params, args) or 0
        finally:
            ONLY_WORK.reset(token)

    @functools.wraps(cmd_run.Run._execute)  # doit gives what the signature names
    def _execute(self, **asked: Any) -> int:
        with contextlib.suppress(AttributeError, ValueError):
            sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        manifest = self._only_manifest(asked)
        if manifest is not None and manifest.settled is not None:
            layout, answer = manifest.settled
            if answer.verified and self._remembers_in(layout) and self._has_report(layout):
                return _tell(layout, Tally(already=answer.models), manifest.prefix)
        from comfyfix.tasks.run import at_work  # the rest of the program

        if settled := [tasks for tasks in tasks_in(self.loader) if tasks.settled]:
            for tasks in settled:
                tasks.opened()
            self.load_again()
        code = at_work.run(self, asked)
        if code == 0 and manifest is not None:
            run = manifest.opened()
            if self._remembers_in(run.project.layout):
                idle.keep(manifest.manifest, run, self.noted, verified=True)
        return code

    def load_again(self) -> None:
        """Make the tasks anew."""
        self.task_list = self.loader.load_tasks(cmd=self, pos_args=self.pos_args)

    def open_again(self, selected: list[str] | None = None) -> None:
        """Open the projects anew, as another run would; `selected` tasks are to be run then."""
        if selected:
            self.sel_tasks, self.sel_default_tasks = selected, False
        for tasks in tasks_in(self.loader):
            tasks.close()
        self.load_again()

    def do(self, asked: dict[str, Any]) -> int:
        """Run as doit does."""
        if self.params["fail_fast"]:
            asked["continue_"] = False
        result: int = super()._execute(**asked)
        return result

    def _is_about_work(self) -> bool:
        """Tell whether this run is about all that has work to do, and about no settled task."""
        params = self.params
        by_default = self.sel_default_tasks and isinstance(self.sel_tasks, Defaults)
        if not by_default or params["always"] or params["single"]:
            return False
        return is_ours(params["reporter"]) and not has_others(self.loader)

    def _only_manifest(self, asked: dict[str, Any]) -> Tasks | None:
        """The one manifest of a dodo, where this run is about all of it and about nothing else."""
        manifests = tasks_in(self.loader)
        on_screen = not isinstance(asked["outfile"], str)
        alone = self._is_about_work() and on_screen and len(manifests) == 1
        return manifests[0] if alone else None

    def _has_report(self, layout: Layout) -> bool:
        """Tell whether the results lie there for who wants them, and nobody waits for them."""
        on_actions = os.environ.get("GITHUB_ACTIONS") == "true"
        waited_for = self.asked_for_object or on_actions
        return not waited_for and (layout.report / "report.json").exists()

    def _remembers_in(self, layout: Layout) -> bool:
        """Tell whether doit's memory is where we have it: another may know of other things."""
        memory = (self.params["backend"], self.params["dep_file"])
        return memory == ("json", str(layout.doit_db))


def _tell(layout: Layout, tally: Tally, prefix: str) -> int:
    """Say what a run says that has found nothing to do."""
    console = choose(layout.run_log(time.strftime("%Y%m%d_%H%M%S")), sys.stdout, live=False)
    console.begin(tally.total)
    console.end()
    for line in summary.lines(tally, prefix):
        console.line(line)
    return 0
