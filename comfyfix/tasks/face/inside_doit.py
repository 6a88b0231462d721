"""All that we lean on inside doit, where it has no door for it; what its next version may break.

The names are those of doit 0.37, each with the reason beside it. What a user's own dodo.py runs
with is put in place by `install`, since doit has chosen its classes before it reads the dodo.
"""

from __future__ import annotations

import contextlib
import getopt
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from doit import cmd_clean, cmd_help, cmd_run, doit_cmd
from doit.cmdparse import CmdParseError
from doit.control import TaskControl
from doit.dependency import JsonDB
from doit.exceptions import InvalidCommand, TaskFailed
from doit.exceptions import UnmetDependency as Unmet
from doit.reporter import JsonReporter, ZeroReporter
from doit.runner import MThreadRunner, Runner
from doit.task import Task

from comfyfix.disk import regular
from comfyfix.disk.files import write_if_changed
from comfyfix.errors import SetupProblem
from comfyfix.screen import words
from comfyfix.screen.run import summary
from comfyfix.tasks.face.owned import run_of, runs_of
from comfyfix.why import Why

THREADS_MAX = 64
RUN_NAMES = ("TaskControl", "Runner", "MRunner", "MThreadRunner")
"""What doit's `run` calls its classes in the middle of a method."""
_IGNORED = "ignore:"  # the key under which doit notes that a task is to be ignored


class Threads(int):
    """A number of threads that we have set: one that the user gives with `-n` is a plain int."""


class Defaults(list[str]):
    """The tasks that we have set to run by default: those of one project, of several in a dodo."""


def variables() -> dict[str, str]:
    """The NAME=VALUE words of the command line: doit tells one only to who knows its name."""
    return dict(doit_cmd._CMDLINE_VARS or {})


def matching(control: TaskControl, pattern: str) -> list[str]:
    """The tasks that a pattern selects: doit takes one that fits none for no mistake."""
    names: list[str] = control._get_wild_tasks(pattern)
    return names


def namespace(loader: Any) -> dict[str, object]:
    """What the names of a dodo stand for: doit keeps it to itself which creators it has found."""
    return getattr(loader, "namespace", None) or {}


def option_refused(error: CmdParseError) -> tuple[str, Why]:
    """Which option is refused, and why; no option where doit says something else.

    doit tells all its options and their defaults in one line of half a screen.
    """
    inner = error.__context__
    if isinstance(inner, getopt.GetoptError) and inner.opt:
        if str(error).startswith("Error parsing Task"):
            return dashed(inner.opt), Why.OPTION_OF_NO_TASK
        needs = "requires argument" in inner.msg
        return dashed(inner.opt), Why.OPTION_NEEDS_VALUE if needs else Why.OPTION_UNKNOWN
    match = re.match(r"Error parsing parameter '(\w+)'", str(error))
    return (match[1] if match else ""), Why.OPTION_UNFIT


def dashed(option: str) -> str:
    """An option as it is typed."""
    return f"-{option}" if len(option) == 1 else f"--{option}"


def no_task(error: InvalidCommand) -> str | None:
    """The name that is no task's, where that is what a command of doit's own says."""
    match = re.fullmatch(r"'(.*)' is not a task\.", str(error))
    return match[1] if match else None


def has_others(loader: Any) -> bool:
    """Tell whether a dodo may have tasks that are not ours, without making them."""
    return any(
        (name.startswith("task_") and callable(value))
        or (hasattr(value, "create_doit_tasks") and not hasattr(value, "manifest"))
        for name, value in namespace(loader).items()
    )


def captures(task: Task) -> bool:
    """Tell whether an action of a task runs with a buffer in the place of `sys.stdout`."""
    return bool(task.io.capture and any(hasattr(a, "py_callable") for a in task.actions))


def ignored(path: Path) -> set[str]:
    """The tasks that doit is told to ignore, without making its tasks first, which takes time."""
    return {name for name, noted in _read(path).items() if noted.get(_IGNORED)}


class _RunnerMixin:
    """What our runners do in another way than doit's.

    - Tasks of one project may run side by side, those of the user's own do so only with `-n`: they
      are written for a doit that does one after the other.
    - doit puts a buffer in the place of `sys.stdout` around a Python action, which is wrong as soon
      as two overlap. So no two do.
    - A task marked `soft_deps` runs also when some of its dependencies failed or are ignored.
    - What can't run because a model failed is no error of its own: the exit code is 1, not 2.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._one_at_a_time = threading.Lock()
        self._not_run: set[str] = set()

    def run_all(self, task_dispatcher: Any) -> Any:
        """Tell our projects where their lines go, then do as doit does."""
        reporter: Any = self.reporter  # type: ignore[attr-defined]
        # The json reporter has put a buffer there: nothing else may stand beside its JSON. And what
        # doit takes for stdout is what it was when doit was loaded.
        to_stdout = reporter.outstream is cmd_run.opt_outfile["default"]
        out = sys.stdout if to_stdout or isinstance(reporter, JsonReporter) else reporter.outstream
        runs = runs_of(task_dispatcher.tasks.values())
        for run in runs:
            run.always = self.always_execute  # type: ignore[attr-defined]
            run.out = out
            run.quiet = isinstance(reporter, ZeroReporter)
        if isinstance(getattr(self, "num_process", 0), Threads):
            self.num_process = max(1, min(THREADS_MAX, sum(run.busy for run in runs)))
            self.one_by_one = True
        return super().run_all(task_dispatcher)  # type: ignore[misc]

    def execute_task(self, task: Any) -> Any:
        """Run a task, one of the user's own in its turn."""
        waits = run_of(task) is None and (getattr(self, "one_by_one", False) or captures(task))
        with self._one_at_a_time if waits else contextlib.nullcontext():
            return super().execute_task(task)  # type: ignore[misc]

    def select_task(self, node: Any, tasks_dict: Any) -> bool:
        """Forget failed dependencies of a marked task, then decide as doit does."""
        if (node.task.meta or {}).get("soft_deps"):
            node.bad_deps = []
            node.ignored_deps = []
        run = run_of(node.task)
        if run is not None and node.task.name in run.unpicked_tasks:
            node.run_status = "ignore"
            return False
        selected = bool(super().select_task(node, tasks_dict))  # type: ignore[misc]
        if run is not None and node.run_status == "ignore":
            run.leave_out(node.task.name)
        return selected

    def _handle_task_error(self, node: Any, base_fail: Any) -> None:
        if isinstance(base_fail, Unmet) and any(map(self._is_models, node.bad_deps)):
            self._not_run.add(node.task.name)
            base_fail = UnmetDependency(summary.not_run(base_fail.get_msg().strip()))
        super()._handle_task_error(node, base_fail)  # type: ignore[misc]

    def _is_models(self, node: Any) -> bool:
        return run_of(node.task) is not None or node.task.name in self._not_run


class UnmetDependency(TaskFailed):  # type: ignore[misc]
    """What a task has that was not run because a model failed; doit's of this name is an error."""


class ThreadRunner(_RunnerMixin, MThreadRunner):  # type: ignore[misc]
    """doit's runner of threads, and ours for processes: they would not share what a run shares."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        if self.num_process < 1:  # doit would start none, do nothing, and call that success
            problem = SetupProblem(Why.PROCESSES_NEGATIVE, count=self.num_process)
            raise InvalidCommand(words.problem(problem)) from problem


class SerialRunner(_RunnerMixin, Runner):  # type: ignore[misc]
    """doit's runner of one task at a time (`-n 0`)."""


def tell_usage(print_usage: Callable[..., None]) -> None:
    """Let `doit --help` tell what `doit help` does: doit makes its own class for it, not ours."""
    cmd_help.Help.print_usage = print_usage


def install(control: type[TaskControl], running: type[TaskControl]) -> None:
    """Put our classes where doit looks for its own; `running` is the control for `run`."""
    _place(running)
    cmd_clean.TaskControl = control


def mend_memory() -> None:
    """Mend how doit's memory is kept."""
    # Whatever becomes of its file, no command ends because of it: all that it holds can be found
    # out again. doit makes the class itself, from a name and before a dodo is read.
    JsonDB._load = lambda db: _read(db.name)
    JsonDB.dump = _dump


@contextlib.contextmanager
def in_place(control: type[TaskControl]) -> Iterator[None]:
    """Put our classes there for a while."""
    old = {name: getattr(cmd_run, name) for name in RUN_NAMES}
    _place(control)
    try:
        yield
    finally:
        for name, value in old.items():
            setattr(cmd_run, name, value)


def _place(control: type[TaskControl]) -> None:
    cmd_run.TaskControl = control
    cmd_run.MRunner = cmd_run.MThreadRunner = ThreadRunner
    cmd_run.Runner = SerialRunner


def _read(path: Path | str) -> dict[str, dict[str, Any]]:
    try:
        return msgspec.json.decode(regular.read(path), type=dict[str, dict[str, Any]])
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}


def _dump(self: Any) -> None:
    with contextlib.suppress(OSError):
        write_if_changed(Path(self.name), self.codec.encode(self._db).encode())
