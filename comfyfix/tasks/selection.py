"""Which tasks a command line selects, looked at before doit does.

doit lets a pattern without a match select nothing, and with `--single` forgets the names after the
first and runs the dependencies of what it selects by a pattern. Here a pattern has to fit, and
`--single` runs exactly the named tasks; of a group, its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from doit.control import TaskControl
from doit.exceptions import InvalidCommand

from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.why import Why

SHOWN = 3
_LIKE = 0.6


class Control(TaskControl):  # type: ignore[misc]
    """doit's control of tasks, with a selection that is looked at first.

    `single` is what `--single` says: then `names` have to be told.
    """

    selected_tasks: list[str]
    single = False
    names_told = True

    def process(self, task_selection: list[str] | None) -> None:
        """Select tasks by name, pattern or target. Raises SetupProblem."""
        if self.single and not self.names_told:
            raise SetupProblem(Why.SINGLE_NEEDS_NAMES)
        self._require_matches(task_selection or [])
        try:
            super().process(task_selection)
        except InvalidCommand as error:
            raise unknown(error.not_found, self.tasks) from None
        if self.single:
            members = list(dict.fromkeys(self._members(self.selected_tasks)))
            for name in members:
                self.tasks[name].task_dep = []
            self.selected_tasks = members

    def _require_matches(self, selection: list[str]) -> None:
        for name in selection:
            task = self.tasks.get(name)
            if task is not None and (task.params or task.creator_params or task.pos_arg):
                return  # what follows may be meant for the task
            if "*" in name and not self._get_wild_tasks(name):
                raise unknown(name, self.tasks)

    def _members(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            task = self.tasks[name]
            if task.actions or not task.task_dep:
                yield name
            else:
                yield from self._members(task.task_dep)


def unknown(name: str, tasks: Iterable[str]) -> SetupProblem:
    """Return the problem of a name that no task has."""
    near = nearest(name, list(tasks)) or because(Why.NONE_IS_LIKE_IT)
    return SetupProblem(Why.TASK_UNKNOWN, name=name, near=near)


def nearest(name: str, tasks: list[str]) -> list[str]:
    """Return the names of tasks that a mistaken name or pattern may have meant."""
    wanted = name.replace("*", "").lower()
    bare = wanted.rpartition(":")[2]
    holding = [task for task in tasks if bare and bare in task.rpartition(":")[2].lower()]
    if holding:
        return holding[:SHOWN]
    import difflib  # for a mistake only

    parts = {task.rpartition(":")[2].lower(): task for task in tasks}
    found = difflib.get_close_matches(bare, parts, n=SHOWN, cutoff=_LIKE)
    return [parts[part] for part in found]
