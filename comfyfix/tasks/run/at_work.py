"""A run that may have work to do: the question first, numbers that hold, and a clean stop."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from comfyfix.garbage import left_alone
from comfyfix.screen import notes
from comfyfix.screen.run import summary
from comfyfix.screen.text import say
from comfyfix.settings.switches import in_ci
from comfyfix.stopping import Stopped, signals
from comfyfix.tasks.face.dodo import runs_in
from comfyfix.tasks.face.inside_doit import in_place
from comfyfix.tasks.run import following
from comfyfix.tasks.run.clearing import clear
from comfyfix.tasks.run.due import is_due
from comfyfix.tasks.run.keeping import note_in_lock, note_missing
from comfyfix.tasks.run.reporter import is_ours
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.selection import Control


class RunCommand(Protocol):
    """What is asked of the command that runs the tasks, and the `answer` that its object has."""

    loader: Any
    sel_default_tasks: bool
    asked_for_object: bool
    answer: Mapping[str, Any]

    def do(self, asked: dict[str, Any]) -> int:
        """Run as doit does."""

    def load_again(self) -> None:
        """Make the tasks anew."""

    def open_again(self, selected: list[str] | None = None) -> None:
        """Open the projects anew, and make their tasks; `selected` are to be run then."""


class _Declined(Exception):
    """The user wants no download."""


class _Overtaken(Exception):
    """A project is not as it was loaded any more."""


@dataclass
class _Work:
    """What a command was asked for, and the projects whose tasks are selected by it.

    `agreed` where the user has been asked before.
    """

    command: RunCommand
    options: dict[str, Any]
    agreed: bool = False
    runs: list[Run] = field(default_factory=list)

    def do(self) -> int:
        """Run until nobody wants more; returns the exit code."""
        runs = runs_in(self.command.loader)
        idle = runs and not any(run.project.plan.pending for run in runs)
        with (
            left_alone() if idle else contextlib.nullcontext(),
            signals(lambda: _mute(self.runs)),
            following.to_the_end(self.runs),
        ):
            try:
                result = self._round()
                while following.once_more(self.runs, result):
                    self.command.open_again()
                    self.agreed = True
                    result = self._round()
                brought = [_brought_by_workers(run) for run in self.runs]
                result = result or int(not all(brought))
            except _Declined:
                return 1
            except Stopped as stopped:
                return _stopped(self.runs, stopped.exit_code)
            finally:
                for run in self.runs:
                    run.cluster.leave()
                    run.console.end()  # also where an error ends the run: a fold would swallow it
            return self._ended(result)

    @property
    def has_the_screen(self) -> bool:
        """Tell whether the lines of a run are all that its screen has."""
        return self.has_our_reporter and not isinstance(self.options["outfile"], str)

    @property
    def has_our_reporter(self) -> bool:
        """Tell whether the lines of a run are ours."""
        return is_ours(self.options["reporter"])

    def _round(self) -> int:
        """Go over all that is missing once, and write down what is missing still."""
        by_default = self.command.sel_default_tasks
        attributes = {
            "by_our_command": True,
            "single": self.options["single"],
            "names_told": not by_default,
            "narrow": by_default and not self.options["always"] and self.has_our_reporter,
            "on_selected": self._begin,
        }
        # doit makes the control itself, and hands it nothing of ours.
        with in_place(type("OurControl", (Control,), attributes)):
            result = self._until_reserved()
        for run in self.runs:
            if run.project.plan.pending:
                note_missing(run)
                clear(run)  # an owner that lived before may have ended since
            note_in_lock(run)
        return result

    def _until_reserved(self) -> int:
        """Run; where a number or name was another run's meanwhile, load the tasks again before."""
        while True:
            try:
                return self.command.do(self.options | {"single": False})  # it is our Control's
            except _Overtaken:
                self.command.load_again()

    def _begin(self, reached: list[Run]) -> None:
        """Reserve the numbers of the projects whose tasks are selected, ask, and clear up."""
        self.runs[:] = reached
        for run in reached:
            if run.project.manifest.workers_have_stores:
                from comfyfix.tasks.run import each_worker  # for those who have such workers

                each_worker.require_lock(run)
        if not all(run.reserve() for run in reached):
            raise _Overtaken
        if not self.agreed:
            if self.has_the_screen and any(run.project.manifest.is_demo for run in reached):
                say(notes.demo())
            if not _agreed([run for run in reached if _is_asked(run)]):
                raise _Declined
        for run in reached:
            note_missing(run)
            clear(run)
            if run.pending:
                following.begin(run)

    def _ended(self, result: int) -> int:
        """Tell all who want to know how it has ended; returns the exit code."""
        # What ComfyUI would not run is not all well, nor is what the disk can't hold.
        refused = any(run.tally.no_room or (run.whole and run.refusals) for run in self.runs)
        code = result or int(refused)
        waited_for = self.command.asked_for_object
        aloud = self.has_our_reporter and not waited_for
        reports = {run.prefix: _published(run, aloud=aloud, due=waited_for) for run in self.runs}
        for run in self.runs:
            _notify(run, aloud=aloud)
        following.end(self.runs, code, stopped=False)
        if waited_for:
            from comfyfix.screen.results.ended import ended

            runs = {run.prefix: ended(run.tally) for run in self.runs}
            self.command.answer = {"good": not code, "reports": reports, "runs": runs}
        return code


def run(command: RunCommand, options: dict[str, Any]) -> int:
    """Do what the user has asked for, then what he chooses at its end; returns the exit code."""
    work = _Work(command, options)
    code = work.do()
    aloud = work.has_the_screen and not command.asked_for_object
    if code != 1 or not aloud or not any(map(_is_asked, work.runs)):
        return code
    from comfyfix.tasks.run import offering  # for a terminal only

    first = list(work.runs)
    tasks = offering.pin_chosen(first)
    if not tasks:
        return code
    command.open_again(tasks)
    work.agreed = True
    again = work.do()
    return again if again or offering.have_mended_all(first, tasks, command.loader) else code


def _brought_by_workers(run: Run) -> bool:
    """Let workers with stores of their own bring what they need, where all of it was asked for."""
    if not (run.project.manifest.workers_have_stores and run.whole):
        return True
    from comfyfix.tasks.run import each_worker  # for those who have such workers

    return each_worker.bring(run)


def _published(run: Run, *, aloud: bool, due: bool) -> Any:
    """Publish the results, where they may have changed; returns the report, as others read it."""
    if not (due or is_due(run)):
        return None
    # A run with nothing to do need not wait for these.
    from comfyfix.screen.results import shape
    from comfyfix.tasks.run import publishing

    report = publishing.after(run, aloud=aloud)
    # Only who waits for it reads it.
    return shape.shaped(report, run.project.setup.manifest_path.parent) if report and due else None


def _notify(run: Run, *, aloud: bool) -> None:
    """Tell those who want to know how it has ended, where something was done."""
    if not run.project.manifest.notify:
        return
    from comfyfix.tasks.run import notifying  # for those who have named somebody

    if notifying.is_wanted(run):
        notifying.tell(run, aloud=aloud)


def _mute(runs: list[Run]) -> None:
    """Let nothing begin and nothing be told any more; called by a signal handler."""
    for run in runs:
        run.stopping = True
        run.console.mute()


def _stopped(runs: list[Run], exit_code: int) -> int:
    if runs and not any(run.tally.total for run in runs):  # while the user was asked
        notes.stopped_searching()
        runs[0].children.stop()
        return exit_code
    following.end(runs, exit_code, stopped=True)
    for run in runs:
        run.console.end()
        scripts = run.stop()
        done = sum(ending.problem is None for ending in run.tally.endings)
        left = run.tally.total - len(run.tally.endings)
        say(*summary.stopped(done, left, scripts))  # the console is mute by now
    # Threads that wait for a slot would keep the interpreter from ending in good time.
    sys.stdout.flush()
    return exit_code


def _is_asked(run: Run) -> bool:
    """Tell whether there is somebody who wants to be asked before downloads."""
    if not run.project.manifest.confirm or in_ci(os.environ):
        return False
    return bool(run.pending) and sys.stdin.isatty() and sys.stdout.isatty()


def _agreed(runs: Sequence[Run]) -> bool:
    if not runs:
        return True
    from comfyfix.tasks.run import consent  # for a terminal only

    return all(map(consent.agreed, runs))
