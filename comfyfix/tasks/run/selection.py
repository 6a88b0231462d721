"""Which tasks a command line selects, looked at before doit does.

doit lets a pattern without a match select nothing, and with `--single` forgets the names after the
first and runs the dependencies of what it selects by a pattern. Here a pattern has to fit, and
`--single` runs exactly the named tasks; of a group, its members.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from doit.control import TaskControl
from doit.exceptions import InvalidCommand

from comfyfix.errors import SetupProblem
from comfyfix.screen import words
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.command_names import COMMANDS
from comfyfix.tasks.face.nearest import unknown
from comfyfix.tasks.face.owned import run_of, runs_of
from comfyfix.tasks.run.keeping import note_missing
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.scope import default_tasks, selected_models, settled_tasks, workflows_of
from comfyfix.why import Why


class Control(TaskControl):  # type: ignore[misc]
    """doit's control of tasks, with a selection that is looked at first.

    `single` is what `--single` says: then `names` have to be told. `narrow`: what is settled is not
    selected. `on_selected` is told the projects whose tasks are selected.
    """

    selected_tasks: list[str]
    single = False
    names_told = True
    narrow = False
    by_our_command = False
    on_selected: Callable[[list[Run]], object] = staticmethod(bool)

    def __init__(self, task_list: Sequence[Any], *arguments: Any, **named: Any) -> None:
        _require_own_names(task_list)
        _share_targets(task_list)
        super().__init__(task_list, *arguments, **named)

    def process(self, task_selection: list[str] | None) -> None:
        """Select tasks by name, pattern or target."""
        try:
            self._select(everywhere(task_selection, self.tasks.values()))
        except SetupProblem as problem:  # doit's own command may be the one that asks
            raise InvalidCommand(words.problem(problem)) from problem

    def _select(self, selection: list[str] | None) -> None:
        if self.single and not self.names_told:
            raise SetupProblem(Why.SINGLE_NEEDS_NAMES)
        self._require_matches(selection or [])
        unsettled = self._without_settled(selection) if self.narrow and selection else selection
        try:
            super().process(unsettled)
        except InvalidCommand as error:
            if error.not_found is None:
                raise
            self._refuse(error.not_found)
        is_ours = "verify" in self.selected_tasks and run_of(self.tasks["verify"]) is not None
        if is_ours and not self.by_our_command:
            raise _not_loaded("verify")
        if self.single:
            members = list(dict.fromkeys(self._members(self.selected_tasks)))
            for name in members:
                self.tasks[name].task_dep = []
            self.selected_tasks = members
        reached = by_run(self.tasks, [*(selection or []), *self.selected_tasks])
        for run, names in reached.items():
            run.selected = selected_models(run, names)
            run.workflows, run.whole = workflows_of(run, names)
        self.on_selected(list(reached))

    def _without_settled(self, selection: list[str]) -> list[str]:
        """Let doit not look at what is settled; our reporter counts it all the same."""
        for run in runs_of(self.tasks.values()):
            run.settled_tasks = run.settled_tasks or settled_tasks(run).intersection(selection)
            selection = [name for name in selection if name not in run.settled_tasks]
        return selection

    def _require_matches(self, selection: list[str]) -> None:
        for name in selection:
            task = self.tasks.get(name)
            if task is not None and (task.params or task.creator_params or task.pos_arg):
                return  # what follows may be meant for the task
            if "*" in name and not inside_doit.matching(self, name):
                self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        if name in COMMANDS and self.by_our_command:
            raise SetupProblem(Why.COMMAND_COMES_FIRST, command=name)
        if name in COMMANDS:
            raise _not_loaded(name)
        raise unknown(name, [*self.tasks, *COMMANDS])

    def _members(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            task = self.tasks[name]
            if task.actions or not task.task_dep:
                yield name
            else:
                yield from self._members(task.task_dep)


class RunControl(Control):
    """The control of doit's own `run`, which knows nothing of ours."""

    @staticmethod
    def on_selected(reached: list[Run]) -> None:
        """Reserve numbers. Raises SetupProblem where they are not those of the tasks."""
        for run in reached:
            loaded = default_tasks(run)
            if not run.reserve() and default_tasks(run) != loaded:
                raise SetupProblem(Why.NUMBERS_TAKEN)
            note_missing(run)


def everywhere(selection: list[str] | None, tasks: Iterable[Any]) -> list[str] | None:
    """The tasks that run by default: where no one has set others, those of every project."""
    if not isinstance(selection, inside_doit.Defaults):
        return selection
    return [name for run in runs_of(tasks) for name in default_tasks(run)]


def reached_by(tasks: dict[str, Any], selected: Iterable[str]) -> list[Any]:
    """The selected tasks and all that they depend on, each once."""
    seen: dict[str, Any] = {}
    pending = list(reversed(list(selected)))
    while pending:
        name = pending.pop()
        if name not in seen and name in tasks:
            seen[name] = tasks[name]
            pending += reversed([*tasks[name].setup_tasks, *tasks[name].task_dep])
    return list(seen.values())


def by_run(tasks: dict[str, Any], selected: Iterable[str]) -> dict[Run, set[str]]:
    """The names of what is selected, of what that depends on, and of what doit need not look at."""
    names = {run: set(run.settled_tasks) for run in runs_of(tasks.values())}
    for task in reached_by(tasks, selected):
        if run := run_of(task):
            names[run].add(task.name)
    return {run: reached for run, reached in names.items() if reached}


def _require_own_names(tasks: Iterable[Any]) -> None:
    """Raise InvalidCommand where a task of the user's own has the name of one of ours."""
    tasks = list(tasks)
    twice = {name for name, count in Counter(task.name for task in tasks).items() if count > 1}
    for task in tasks:
        if task.name in twice and run_of(task) is not None:
            problem = SetupProblem(Why.TASK_NAME_TAKEN, name=task.name)
            raise InvalidCommand(words.problem(problem)) from problem


def _share_targets(tasks: Iterable[Any]) -> None:
    """Of a file that two projects need in one place, let the first be its task: doit takes no two.

    Both fetch it if need be: the second finds it there, or waits for the first.
    """
    taken: set[str] = set()
    for task in tasks:
        if run_of(task) is not None:
            task.targets = [target for target in task.targets if target not in taken]
            taken.update(task.targets)


def _not_loaded(command: str) -> SetupProblem:
    """Refuse a command that would be ours, with the lines that make it so."""
    table = ["[tool.doit.plugins.command]", *(f'{n} = "{place}"' for n, place in COMMANDS.items())]
    return SetupProblem(
        Why.COMMANDS_NOT_LOADED, command=command, lines=[f"  {line}" for line in table]
    )
