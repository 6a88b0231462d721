"""The `run` command: doit's own, with a question first, soft dependencies and a clean stop."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from doit import cmd_run

from comfyfix.screen import summary
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.clearing import clear
from comfyfix.tasks.dodo import of_dodo
from comfyfix.tasks.garbage import left_alone
from comfyfix.tasks.guard import Guarded
from comfyfix.tasks.inside_doit import in_place
from comfyfix.tasks.running import Run
from comfyfix.tasks.selection import Control


class _Declined(Exception):
    """The user wants no download."""


class RunCommand(Guarded, cmd_run.Run):  # type: ignore[misc]
    """Search, download and verify what is missing (doit's `run`)."""

    doc_purpose = t("search, download and verify the missing models")
    name: ClassVar[str] = "run"

    def _execute(  # noqa: PLR0917 - doit reads the names of these parameters
        self,
        outfile: Any,
        verbosity: int | None = None,
        always: bool = False,
        continue_: bool = False,
        reporter: Any = "console",
        num_process: int = 0,
        par_type: str = "thread",
        single: bool = False,
        auto_delayed_regex: bool = False,
        force_verbosity: bool = False,
        failure_verbosity: int = 0,
        pdb: bool = False,
    ) -> int:
        with contextlib.suppress(AttributeError, ValueError):
            sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        runs = of_dodo(self.loader)
        at_work: list[Run] = []  # of the projects, those whose tasks are selected

        def chosen(reached: list[Run]) -> None:
            at_work[:] = reached
            if not all(map(_agreed, reached)):
                raise _Declined
            for run in reached:
                clear(run)

        told = not self.sel_default_tasks
        idle = runs and not any(run.project.plan.pending for run in runs)
        with (
            left_alone() if idle else contextlib.nullcontext(),
            in_place(_control(chosen, single=single, named=told)),
            signals(lambda: _mute(at_work)),
        ):
            try:
                result: int = super()._execute(
                    outfile,
                    verbosity,
                    always,
                    continue_,
                    reporter,
                    num_process,
                    par_type,
                    False,  # `--single` is our Control's
                    auto_delayed_regex,
                    force_verbosity,
                    failure_verbosity,
                    pdb,
                )
                for run in at_work:
                    if run.project.plan.pending:
                        clear(run)  # an owner that lived before may have ended since
            except _Declined:
                return 1
            except Stopped as stopped:
                return _stopped(at_work, stopped.exit_code)
        return result


def _control(chosen: Callable[[list[Run]], None], *, single: bool, named: bool) -> type[Control]:
    """doit makes it, and hands it nothing of ours."""
    ours = {"single": single, "names_told": named, "by_our_command": True}
    return type("OurControl", (Control,), {**ours, "chosen": staticmethod(chosen)})


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
