"""The `run` command: doit's own, with a question first, soft dependencies and a clean stop."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

from doit import cmd_run
from doit.exceptions import TaskFailed, UnmetDependency
from doit.runner import MThreadRunner
from doit.runner import Runner as OneByOneRunner

from comfyfix.screen import summary
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.chosen import default_tasks, settled
from comfyfix.tasks.clearing import clear
from comfyfix.tasks.garbage import left_alone
from comfyfix.tasks.guard import Guarded
from comfyfix.tasks.running import Run, of_dodo
from comfyfix.tasks.selection import Control


class _SoftDependencies:
    """Lets a task marked `soft_deps` run also when some of its dependencies failed.

    What can't run because another failed is no error of its own: that one is told, and counts.
    """

    def select_task(self, node: Any, tasks_dict: Any) -> bool:
        """Forget failed dependencies of a marked task, then decide as doit does."""
        if (node.task.meta or {}).get("soft_deps"):
            node.bad_deps = []
            node.ignored_deps = []
        return bool(super().select_task(node, tasks_dict))  # type: ignore[misc]

    def _handle_task_error(self, node: Any, base_fail: Any) -> None:
        if isinstance(base_fail, UnmetDependency):
            base_fail = NotRun(summary.not_run(base_fail.get_msg().strip()))
        super()._handle_task_error(node, base_fail)  # type: ignore[misc]


class NotRun(TaskFailed):  # type: ignore[misc]
    """A task whose dependencies failed."""


class ThreadRunner(_SoftDependencies, MThreadRunner):  # type: ignore[misc]
    """doit's thread runner with soft dependencies."""


class SerialRunner(_SoftDependencies, OneByOneRunner):  # type: ignore[misc]
    """doit's runner of one task at a time (`-n 0`) with soft dependencies."""


class RunCommand(Guarded, cmd_run.Run):  # type: ignore[misc]
    """Search, download and verify what is missing (doit's `run`)."""

    doc_purpose = t("search, download and verify the missing models")
    name: ClassVar[str] = "run"
    sel_tasks: list[str] | None

    def execute(self, params: Any, args: list[str]) -> int:
        """Run what the arguments name."""
        self.pos_args = args
        return super().execute(params, args) or 0

    @functools.wraps(cmd_run.Run._execute)  # doit gives what the signature names
    def _execute(self, **asked: Any) -> int:
        run = of_dodo(self.loader)
        with contextlib.suppress(AttributeError, ValueError):
            sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        if run is not None:
            run.by_our_command = True
            self._reserve(run)
            if not _agreed(run):
                return 1
            run.note_missing()
            if not asked["always"] and hasattr(asked["reporter"], "run"):  # our own
                self._leave_out(run)
        idle = run is not None and not run.project.plan.pending
        with (
            left_alone() if idle else contextlib.nullcontext(),
            _ours(single=asked["single"], named=not self.sel_default_tasks),
            signals(lambda: _mute(run)),
        ):
            try:
                if run is not None:
                    clear(run)
                # Processes could share nothing of the run; `--single` is our Control's.
                ours = {"par_type": "thread", "single": False}
                result: int = super()._execute(**asked | ours)
                if run is not None and run.project.plan.pending:
                    run.note_missing()
                    clear(run)  # an owner that lived before may have ended since
            except Stopped as stopped:
                return _stopped(run, stopped.exit_code)
        return result

    def _leave_out(self, run: Run) -> None:
        """Let doit not look at what is settled; our reporter counts it all the same."""
        if self.sel_default_tasks and self.sel_tasks:
            run.left_out = settled(run).intersection(self.sel_tasks)
            self.sel_tasks = [name for name in self.sel_tasks if name not in run.left_out]

    def _reserve(self, run: Run) -> None:
        """Reserve numbers and names before doit looks at the tasks; where they differ, load anew.

        Raises SetupProblem.
        """
        before = default_tasks(run)
        if run.reserve():
            return
        self.task_list = self.loader.load_tasks(cmd=self, pos_args=self.pos_args)
        if self.sel_default_tasks:
            chosen: list[str] = self.sel_tasks or []
            self.sel_tasks = [*default_tasks(run), *(n for n in chosen if n not in before)]


@contextlib.contextmanager
def _ours(*, single: bool, named: bool) -> Iterator[None]:
    """doit names its classes in the middle of a method; put ours in their place."""
    control = type("OurControl", (Control,), {"single": single, "names_told": named})
    old = cmd_run.MThreadRunner, cmd_run.Runner, cmd_run.TaskControl
    cmd_run.MThreadRunner, cmd_run.Runner, cmd_run.TaskControl = ThreadRunner, SerialRunner, control
    try:
        yield
    finally:
        cmd_run.MThreadRunner, cmd_run.Runner, cmd_run.TaskControl = old


def _mute(run: Run | None) -> None:
    """Let nothing begin and nothing be told any more; called by a signal handler."""
    if run is not None:
        run.stopping = True
        run.console.mute()


def _stopped(run: Run | None, exit_code: int) -> int:
    if run is None:
        return exit_code
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
