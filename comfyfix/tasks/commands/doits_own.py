"""Commands of doit's own: they would end in a traceback here, or where the screen is gone."""

from __future__ import annotations

import io
from typing import Any, ClassVar

from doit.cmd_clean import Clean as DoitClean
from doit.cmd_completion import TabCompletion as DoitTabCompletion
from doit.cmd_dumpdb import DumpDB as DoitDumpDB
from doit.cmd_forget import Forget as DoitForget
from doit.cmd_help import Help as DoitHelp
from doit.cmd_ignore import Ignore as DoitIgnore
from doit.cmd_info import Info as DoitInfo
from doit.cmd_resetdep import ResetDep as DoitResetDep
from doit.cmd_strace import Strace as DoitStrace

from comfyfix.errors import SetupProblem
from comfyfix.screen.text import data
from comfyfix.tasks.guard import Guarded
from comfyfix.tasks.nearest import unknown
from comfyfix.why import Why


class Info(Guarded, DoitInfo):  # type: ignore[misc]
    """Show what doit knows of one task."""

    name: ClassVar[str] = "info"

    def _execute(self, pos_args: list[str], hide_status: bool) -> int:
        if len(pos_args) != 1:
            raise SetupProblem(Why.INFO_NEEDS_NAME)
        if all(task.name != pos_args[0] for task in self.task_list):
            raise unknown(pos_args[0], [task.name for task in self.task_list])
        result: int = super()._execute(pos_args, hide_status)
        return result


class DumpDB(Guarded, DoitDumpDB):  # type: ignore[misc]
    """Say where doit's memory is: doit shows a database of another kind only."""

    name: ClassVar[str] = "dumpdb"

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:  # noqa: ARG002 - doit's signature
        """Refuse, in one line."""
        raise SetupProblem(Why.DUMPDB_REFUSED)


class Help(Guarded, DoitHelp):  # type: ignore[misc]
    """Tell how to use the commands."""

    name: ClassVar[str] = "help"


class TabCompletion(Guarded, DoitTabCompletion):  # type: ignore[misc]
    """Print what makes a shell complete commands and tasks."""

    name: ClassVar[str] = "tabcompletion"


class Strace(Guarded, DoitStrace):  # type: ignore[misc]
    """Trace the files of a task that is a program; none of ours is."""

    name: ClassVar[str] = "strace"


class _Doing(Guarded):
    """A command that tells what it has done once all is done: a lost screen can't cut it off."""

    def execute(self, params: Any, args: list[str]) -> int:
        """Do the work, then print what doit has said of it."""
        self.outstream = said = io.StringIO()
        try:
            return super().execute(params, args) or 0
        finally:
            if said.tell():  # without a buffer, even nothing at all may be too much for a screen
                data(said.getvalue())


class Forget(_Doing, DoitForget):  # type: ignore[misc]
    """Forget that a task has succeeded."""

    name: ClassVar[str] = "forget"


class Ignore(_Doing, DoitIgnore):  # type: ignore[misc]
    """Leave a task out from now on."""

    name: ClassVar[str] = "ignore"


class Clean(_Doing, DoitClean):  # type: ignore[misc]
    """Do what tasks do to clean up; ours do nothing."""

    name: ClassVar[str] = "clean"


class ResetDep(_Doing, DoitResetDep):  # type: ignore[misc]
    """Take what is there for what a task has made."""

    name: ClassVar[str] = "reset-dep"
