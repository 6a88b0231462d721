"""A run that may have work to do: the question first, numbers that hold, and a clean stop."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol

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
from comfyfix.tasks.run.garbage import left_alone
from comfyfix.tasks.run.keeping import keep_lock, note_missing
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


def run(command: RunCommand, asked: dict[str, Any]) -> int:
    """Do what the user has asked for, then what he chooses at its end; returns the exit code."""
    at_work: list[Run] = []  # of the projects, those whose tasks are selected
    code = _run(command, asked, at_work)
    aloud = _on_screen(asked) and not command.asked_for_object
    if code != 1 or not aloud or not any(map(_is_asked, at_work)):
        return code
    from comfyfix.tasks.run import offering  # for a terminal only

    first = list(at_work)
    tasks = offering.chosen(first)
    if not tasks:
        return code
    command.open_again(tasks)
    chosen = _run(command, asked, at_work, agreed=True)
    return chosen if chosen or offering.were_all(first, tasks, command.loader) else code


def _run(
    command: RunCommand, asked: dict[str, Any], at_work: list[Run], *, agreed: bool = False
) -> int:
    """Run once; `at_work` is told the projects, `agreed` where the user has been asked."""
    runs = runs_in(command.loader)
    by_default = command.sel_default_tasks
    ours = {
        "by_our_command": True,
        "single": asked["single"],
        "names_told": not by_default,
        "narrow": by_default and not asked["always"] and is_ours(asked["reporter"]),
    }
    idle = runs and not any(run.project.plan.pending for run in runs)
    begin = functools.partial(_begin, at_work, aloud=_on_screen(asked))
    with (
        left_alone() if idle else contextlib.nullcontext(),
        signals(lambda: _mute(at_work)),
        following.to_the_end(at_work),
    ):
        try:
            chosen = functools.partial(begin, agreed=agreed)
            result = _round(command, asked, ours | {"chosen": staticmethod(chosen)}, at_work)
            while following.once_more(at_work, result):
                command.open_again()
                chosen = functools.partial(begin, agreed=True)  # the user was asked before
                result = _round(command, asked, ours | {"chosen": staticmethod(chosen)}, at_work)
            elsewhere = [_elsewhere(run) for run in at_work]
            result = result or int(not all(elsewhere))
        except _Declined:
            return 1
        except Stopped as stopped:
            return _stopped(at_work, stopped.exit_code)
        finally:
            for run in at_work:
                run.cluster.leave()
                run.console.end()  # also where an error ends the run: a fold would swallow it
        return _ended(command, asked, at_work, result)


def _ended(command: RunCommand, asked: dict[str, Any], at_work: list[Run], result: int) -> int:
    """Tell all who want to know how it has ended; returns the exit code."""
    # What ComfyUI would not run is not all well, nor is what the disk can't hold.
    refused = any(run.tally.no_room or (run.whole and run.refusals) for run in at_work)
    code = result or int(refused)
    waited_for = command.asked_for_object
    aloud = is_ours(asked["reporter"]) and not waited_for
    reports = {run.prefix: _published(run, aloud=aloud, due=waited_for) for run in at_work}
    for run in at_work:
        _told_to_services(run, aloud=aloud)
    following.end(at_work, code, stopped=False)
    if waited_for:
        from comfyfix.screen.results.ended import ended

        runs = {run.prefix: ended(run.tally) for run in at_work}
        command.answer = {"good": not code, "reports": reports, "runs": runs}
    return code


def _round(
    command: RunCommand, asked: dict[str, Any], ours: dict[str, Any], at_work: list[Run]
) -> int:
    """Go over all that is missing once, and write down what is missing still.

    doit hands its control nothing of ours: `ours` are the attributes of the class.
    """
    with in_place(type("OurControl", (Control,), ours)):
        result = _until_reserved(command, asked)
    for run in at_work:
        if run.project.plan.pending:
            note_missing(run)
            clear(run)  # an owner that lived before may have ended since
        keep_lock(run)
    return result


def _until_reserved(command: RunCommand, asked: dict[str, Any]) -> int:
    """Run; where a number or name was another run's meanwhile, load the tasks again before."""
    while True:
        try:
            return command.do(asked | {"single": False})  # `--single` is our Control's
        except _Overtaken:
            command.load_again()


def _elsewhere(run: Run) -> bool:
    """Let workers with stores of their own bring what they need, where all of it was asked for."""
    if not (run.project.manifest.each and run.whole):
        return True
    from comfyfix.tasks.run import each  # for those who have such workers

    return each.bring(run)


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


def _told_to_services(run: Run, *, aloud: bool) -> None:
    """Tell those who want to know how it has ended, where something was done."""
    if not run.project.manifest.notify:
        return
    from comfyfix.tasks.run import notifying  # for those who have named somebody

    if notifying.is_wanted(run):
        notifying.tell(run, aloud=aloud)


def _on_screen(asked: dict[str, Any]) -> bool:
    """Tell whether the lines of a run are all that its screen has."""
    return is_ours(asked["reporter"]) and not isinstance(asked["outfile"], str)


def _begin(at_work: list[Run], reached: list[Run], *, aloud: bool, agreed: bool) -> None:
    """Reserve the numbers of the projects whose tasks are selected, ask, and clear up."""
    at_work[:] = reached
    for run in reached:
        if run.project.manifest.each:
            from comfyfix.tasks.run import each  # for those who have such workers

            each.require_lock(run)
    if not all(run.reserve() for run in reached):
        raise _Overtaken
    if aloud and not agreed and any(run.project.manifest.is_demo for run in reached):
        say(notes.demo())
    asked = [run for run in reached if _is_asked(run)]
    if asked and not agreed and not _agreed(asked):
        raise _Declined
    for run in reached:
        note_missing(run)
        clear(run)
        if run.pending:
            following.begin(run)


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
        count = run.stop()
        done = sum(outcome.problem is None for outcome in run.tally.endings)
        left = run.tally.total - len(run.tally.endings)
        say(*summary.stopped(done, left, count))  # the console is mute by now
    # Threads that wait for a slot would keep the interpreter from ending in good time.
    sys.stdout.flush()
    return exit_code


def _is_asked(run: Run) -> bool:
    """Tell whether there is somebody who wants to be asked before downloads."""
    wanted = run.project.manifest.confirm and not in_ci(os.environ)
    return bool(run.pending and wanted and sys.stdin.isatty() and sys.stdout.isatty())


def _agreed(runs: list[Run]) -> bool:
    from comfyfix.tasks.run import consent  # for a terminal only

    return all(map(consent.agreed, runs))
