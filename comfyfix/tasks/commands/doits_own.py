"""Commands of doit's own: they would end in a traceback here, or where the screen is gone."""

from __future__ import annotations

import io
from typing import Any, ClassVar

from doit.cmd_dumpdb import DumpDB as DoitDumpDB
from doit.cmd_ignore import Ignore as DoitIgnore
from doit.cmd_resetdep import ResetDep as DoitResetDep
from doit.cmd_strace import Strace as DoitStrace

from comfyfix.errors import SetupProblem
from comfyfix.screen.text import data
from comfyfix.screen.words import t
from comfyfix.tasks.face.guard import Guarded
from comfyfix.tasks.run.names import tasks_meant
from comfyfix.why import Why


class DumpDB(Guarded, DoitDumpDB):  # type: ignore[misc]
    """Say where doit's memory is: doit shows a database of another kind only."""

    doc_purpose = t("say where doit's memory lies")
    name: ClassVar[str] = "dumpdb"

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:  # noqa: ARG002 - doit's signature
        """Refuse, in one line."""
        raise SetupProblem(Why.DUMPDB_REFUSED)


class Strace(Guarded, DoitStrace):  # type: ignore[misc]
    """Trace the files of a task that is a program; none of ours is."""

    doc_purpose = t("tell which files the program of a task opens")
    name: ClassVar[str] = "strace"


class Buffered(Guarded):
    """A command that tells what it has done once all is done: a lost screen can't cut it off."""

    def execute(self, params: Any, args: list[str]) -> int:
        """Do the work, then print what doit has said of it."""
        self.outstream = buffer = io.StringIO()
        try:
            return super().execute(params, args) or 0
        finally:
            if buffer.tell():  # without a buffer, even nothing at all may be too much for a screen
                data(buffer.getvalue())


class Ignore(Buffered, DoitIgnore):  # type: ignore[misc]
    """Leave a task out from now on."""

    doc_purpose = t("leave a model or a task out from now on, until it is forgotten")
    name: ClassVar[str] = "ignore"

    def _execute(self, pos_args: list[str]) -> None:
        tasks = {task.name: task for task in self.task_list}
        super()._execute(tasks_meant(tasks, pos_args))


class ResetDep(Buffered, DoitResetDep):  # type: ignore[misc]
    """Take what is there for what a task has made."""

    doc_purpose = t("take what is there for what a task has made")
    name: ClassVar[str] = "reset-dep"
