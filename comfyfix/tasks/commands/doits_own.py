"""Commands of doit's own that would end in a traceback here."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.cmd_dumpdb import DumpDB as DoitDumpDB
from doit.cmd_info import Info as DoitInfo

from comfyfix.errors import SetupProblem
from comfyfix.tasks.guard import Guarded
from comfyfix.tasks.selection import unknown
from comfyfix.why import Why


class Info(Guarded, DoitInfo):  # type: ignore[misc]
    """Show what doit knows of one task."""

    name: ClassVar[str] = "info"

    def _execute(self, pos_args: list[str], hide_status: bool = False) -> int:
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
