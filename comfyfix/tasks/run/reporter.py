"""doit's reporter for us: the stages tell what happens, so this only begins and ends a run.

What is told of a task of the user's own is doit's own reporter's affair.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from doit.exceptions import TaskFailed
from doit.reporter import ConsoleReporter

from comfyfix.screen.run import summary
from comfyfix.tasks.face.marks import PRESENT
from comfyfix.tasks.face.owned import run_of

if TYPE_CHECKING:
    from comfyfix.tasks.run.running import Run


class Reporter(ConsoleReporter):  # type: ignore[misc]
    """Plain lines and a final summary for each project; doit's lines for all other tasks."""

    desc = "lines per model and a summary (comfyfix)"
    of_comfyfix = True  # so a configuration shows that it is ours

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self._runs: list[Run] = []
        self._errors: dict[Run, list[str]] = defaultdict(list)
        self._since = time.monotonic()
        self._begun = ""  # a line that doit has not ended yet

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Count what this run is about."""
        from comfyfix.tasks.run.selection import by_run  # where there is something to run

        reached = by_run(tasks, selected_tasks)
        self._runs = list(reached)
        for run, names in reached.items():
            run.tally.total = run.total
            settled = sum(not planned.pending for planned in run.selected or ())
            run.tally.already = 0 if run.always else settled
            if run.task("verify", PRESENT) in names:
                run.tally.already += len(run.project.plan.present)
            run.live = len(self._runs) == 1  # two can't draw on one screen
        if self._runs:  # nor fold it side by side
            self._runs[0].console.begin(sum(run.tally.total for run in self._runs))
        for run in self._runs:
            for planned in run.pending:
                run.expect(planned)

    def write(self, text: str) -> None:
        """Write what doit says of the user's own tasks, line by line among ours."""
        if not self._runs:
            super().write(text)
            return
        whole, line_end, self._begun = (self._begun + text).rpartition("\n")
        if line_end:
            self._runs[0].console.text(whole + line_end)

    def execute_task(self, task: Any) -> None:
        """Nothing to say of ours: their own actions do."""
        if run_of(task) is None:
            super().execute_task(task)

    def add_failure(self, task: Any, fail: Any) -> None:
        """Keep what is no model's failure: an error of ours, told with its traceback."""
        run = run_of(task)
        if run is None:
            super().add_failure(task, fail)
        elif type(fail) is not TaskFailed and task.actions:
            self._errors[run].append(f"{task.name}: {fail.get_msg()}")

    def skip_uptodate(self, task: Any) -> None:
        """Nothing to say of ours: what is there and right is counted in the summary."""
        if run_of(task) is None:
            super().skip_uptodate(task)

    def skip_ignore(self, task: Any) -> None:
        """Nothing to say of ours: the summary names them."""
        if run_of(task) is None:
            super().skip_ignore(task)

    def complete_run(self) -> None:
        """End with doit's account of the user's own tasks, and a summary of each project."""
        if any(run.stopping for run in self._runs):
            return
        for run in self._runs:
            run.console.end()
        super().complete_run()
        for run in self._runs:
            self._summary(run)

    def _summary(self, run: Run) -> None:
        from comfyfix.screen import refused

        _end_with(run, summary.lines(run.tally, run.prefix))
        _end_with(run, refused.lines(run.refusals))
        if run.tally.endings:
            self._tell_what_is_won(run)
        for error in self._errors[run]:
            _end_with(run, f"✗ {error.strip()}".splitlines())

    def _tell_what_is_won(self, run: Run) -> None:
        """Say what the run was good for, and call who has looked away meanwhile."""
        from comfyfix.screen.run import won as words_of_won
        from comfyfix.stages.reports.won import won

        workflows = {refusal.reference.workflow for refusal in run.refusals}
        end = won(run.project.plan, run.workflows, run.tally, workflows)
        seconds = time.monotonic() - self._since
        _end_with(run, words_of_won.lines(end, seconds, run.project.folders.store))
        if run.live and (sign := words_of_won.sign(end, seconds)):
            run.console.text(sign)


def _end_with(run: Run, lines: Iterable[str]) -> None:
    for line in lines:
        run.last_lines.append(line)
        run.console.line(line)


def is_ours(reporter: object) -> bool:
    """Tell whether what doit was given as a reporter is this one."""
    return bool(getattr(reporter, "of_comfyfix", False))
