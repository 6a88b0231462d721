"""The `run` command: doit's own, with a question first, soft dependencies and a clean stop."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import Any, ClassVar, TextIO

from doit import cmd_run

from comfyfix.screen import summary
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.clearing import clear
from comfyfix.tasks.dodo import of_dodo
from comfyfix.tasks.due import is_due
from comfyfix.tasks.garbage import left_alone
from comfyfix.tasks.guard import Guarded
from comfyfix.tasks.inside_doit import in_place
from comfyfix.tasks.reporter import is_ours
from comfyfix.tasks.running import Run
from comfyfix.tasks.selection import Control


class _Declined(Exception):
    """The user wants no download."""


class _Overtaken(Exception):
    """A project is not as it was loaded any more."""


class RunCommand(Guarded, cmd_run.Run):  # type: ignore[misc]
    """Search, download and verify what is missing (doit's `run`)."""

    doc_purpose = t("search, download and verify the missing models")
    name: ClassVar[str] = "run"
    _asked = False
    """Is an object asked for? Then it has the report."""

    def lines_to(self) -> TextIO:
        """A run takes long: who waits for its object reads its lines on stderr."""
        self._asked = True
        return sys.stderr

    def execute(self, params: Any, args: list[str]) -> int:
        """Run what the arguments name."""
        self.pos_args = args
        return super().execute(params, args) or 0

    @functools.wraps(cmd_run.Run._execute)  # doit gives what the signature names
    def _execute(self, **asked: Any) -> int:
        with contextlib.suppress(AttributeError, ValueError):
            sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        runs = of_dodo(self.loader)
        at_work: list[Run] = []  # of the projects, those whose tasks are selected
        ours = {
            "by_our_command": True,
            "single": asked["single"],
            "names_told": not self.sel_default_tasks,
            "narrow": self.sel_default_tasks and not asked["always"] and is_ours(asked["reporter"]),
            "chosen": staticmethod(functools.partial(_begin, at_work)),
        }
        idle = runs and not any(run.project.plan.pending for run in runs)
        with (
            left_alone() if idle else contextlib.nullcontext(),
            in_place(type("OurControl", (Control,), ours)),  # doit hands it nothing of ours
            signals(lambda: _mute(at_work)),
        ):
            try:
                result = self._until_reserved(asked)
                for run in at_work:
                    if run.project.plan.pending:
                        run.note_missing()
                        clear(run)  # an owner that lived before may have ended since
                    run.keep_lock()
            except _Declined:
                return 1
            except Stopped as stopped:
                return _stopped(at_work, stopped.exit_code)
            refused = any(run.whole and run.refusals for run in at_work)
            aloud = is_ours(asked["reporter"]) and not self._asked
            told = {run: _published(run, aloud=aloud, due=self._asked) for run in at_work}
        self.told = (
            {
                "good": not (result or refused),
                "reports": {run.prefix: report for run, report in told.items()},
            }
            if self._asked
            else {}
        )
        return result or int(refused)  # what ComfyUI would not run is not all well

    def _until_reserved(self, asked: dict[str, Any]) -> int:
        """Run; where a number or name was another run's meanwhile, load the tasks again before."""
        while True:
            try:
                # `--single` is our Control's.
                result: int = super()._execute(**asked | {"single": False})
            except _Overtaken:
                self.task_list = self.loader.load_tasks(cmd=self, pos_args=self.pos_args)
            else:
                return result


def _published(run: Run, *, aloud: bool, due: bool) -> Any:
    """Publish the results, where they may have changed; returns the report, as others read it."""
    if not (due or is_due(run)):
        return None
    # A run with nothing to do need not wait for these.
    from comfyfix.screen.results import shape
    from comfyfix.tasks import publishing

    report = publishing.after(run, aloud=aloud)
    return shape.shaped(report, run.project.setup.manifest_path.parent) if report else None


def _begin(at_work: list[Run], reached: list[Run]) -> None:
    """Reserve the numbers of the projects whose tasks are selected, ask, and clear up."""
    at_work[:] = reached
    if not all(run.reserve() for run in reached):
        raise _Overtaken
    if not all(map(_agreed, reached)):
        raise _Declined
    for run in reached:
        run.note_missing()
        clear(run)


def _mute(runs: list[Run]) -> None:
    """Let nothing begin and nothing be told any more; called by a signal handler."""
    for run in runs:
        run.stopping = True
        run.console.mute()


def _stopped(runs: list[Run], exit_code: int) -> int:
    for run in runs:
        run.console.end()
        count = run.children.stop()
        done = sum(outcome.problem is None for outcome in run.tally.endings)
        left = run.tally.total - len(run.tally.endings)
        say(*summary.stopped(done, left, count))  # the console is mute by now
    # Threads that wait for a slot would keep the interpreter from ending in good time.
    sys.stdout.flush()
    return exit_code


def _agreed(run: Run) -> bool:
    """Ask once before downloads, on a terminal only."""
    pending = run.project.plan.pending
    asked = run.project.manifest.confirm and not os.environ.get("CI")
    if not (pending and asked and sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    from comfyfix.screen import question  # for a terminal only

    return question.agreed(pending, run.project.folders.store)
