"""doit's reporter for us: the stages tell what happens, so this only begins and ends a run."""

from __future__ import annotations

from typing import Any, ClassVar, TextIO

from doit.exceptions import InvalidDodoFile, TaskFailed

from comfyfix.errors import SetupProblem
from comfyfix.screen import summary, words
from comfyfix.tasks.commands.base import COMMANDS
from comfyfix.tasks.running import Run
from comfyfix.why import Why


class Reporter:
    """Plain lines and the final summary, instead of doit's line per task."""

    desc = "lines per model and a summary (comfyfix)"
    run: ClassVar[Run]

    @classmethod
    def of(cls, run: Run) -> type[Reporter]:
        """Return the reporter of one run: doit makes it, and hands it nothing of ours."""
        return type("Reporter", (cls,), {"run": run})

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:  # noqa: ARG002 - doit's signature
        self.outstream = outstream
        self._errors: list[str] = []

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Count what this run is about."""
        run = self.run
        if "verify" in selected_tasks and not run.by_our_command:
            raise _not_loaded()
        reached = _reached(tasks, [*selected_tasks, *run.left_out])
        names = {f"download:{planned.task}": planned for planned in run.project.plan.models}
        chosen = [names[name] for name in reached if name in names]
        run.tally.total = sum(bool(planned.pending) for planned in chosen)
        run.tally.already = len(chosen) - run.tally.total
        if "verify:present" in reached:
            run.tally.already += len(run.project.plan.present)
        run.live = True  # this reporter has the screen to itself
        run.console.begin(run.tally.total)

    def get_status(self, task: Any) -> None:
        """Nothing to say: doit looks whether a task is up to date."""

    def execute_task(self, task: Any) -> None:
        """Nothing to say: the task's own actions do."""

    def add_failure(self, task: Any, fail: Any) -> None:
        """Keep what is no model's failure: an error of ours, told with its traceback."""
        if type(fail) is not TaskFailed and task.actions:
            self._errors.append(f"{task.name}: {fail.get_msg()}")

    def add_success(self, task: Any) -> None:
        """Nothing to say."""

    def skip_uptodate(self, task: Any) -> None:
        """Nothing to say: what is there and right is counted in the summary."""

    def skip_ignore(self, task: Any) -> None:
        """Say that the user has told doit to ignore a task."""
        self.outstream.write(f"{summary.ignored(task.name)}\n")

    def cleanup_error(self, exception: Any) -> None:
        """Keep an error of a teardown."""
        self._errors.append(exception.get_msg())

    def runtime_error(self, msg: str) -> None:
        """Keep an error of doit itself."""
        self._errors.append(msg)

    def teardown_task(self, task: Any) -> None:
        """Nothing to say: no task of ours has a teardown."""

    def complete_run(self) -> None:
        """End with the summary."""
        run = self.run
        if run.stopping:
            return
        run.console.end()
        for line in summary.lines(run.tally):
            run.console.line(line)
        for outcome in run.tally.endings:
            if outcome.problem is not None:
                run.console.error(summary.annotation(outcome, outcome.problem))
        for error in self._errors:
            first, *more = error.strip().splitlines() or [""]
            for line in (f"✗ {first}", *more):
                run.console.line(line)


def _not_loaded() -> InvalidDodoFile:
    """Refuse a `verify` that is doit's own, with the lines that make it ours."""
    table = [f'  {name} = "{place}"' for name, place in COMMANDS.items()]
    told = words.problem(SetupProblem(Why.COMMANDS_NOT_LOADED))
    return InvalidDodoFile("\n".join([told, "  [tool.doit.plugins.command]", *table]))


def _reached(tasks: dict[str, Any], selected: list[str]) -> list[str]:
    """The selected tasks and all that they depend on, each once."""
    seen: dict[str, None] = {}
    pending = list(reversed(selected))
    while pending:
        name = pending.pop()
        if name not in seen and name in tasks:
            seen[name] = None
            pending.extend(reversed(tasks[name].task_dep))
    return list(seen)
