"""What commands tell each other, and which tasks are ours: without loading what a run needs."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from comfyfix.tasks.running import Run

PRESENT = "present"
"""The name of the task that verifies what was there before."""
AS_KEPT: ContextVar[bool] = ContextVar("AS_KEPT", default=False)
"""Set by a command that others call for names: what is at an address is not asked for again."""
MARK = "comfyfix"
"""Under this name the `meta` of each of our tasks holds its run: so ours are told from others."""


class Owner:
    """What tasks of ours belong to; there is one kind of it, a `Run`."""


def run_of(task: Any) -> Run | None:
    """Return the run that one of our tasks belongs to, None for a task of the user's own."""
    found = (task.meta or {}).get(MARK)
    return cast("Run", found) if isinstance(found, Owner) else None


def runs_of(tasks: Iterable[Any]) -> list[Run]:
    """The runs that some tasks belong to, each once."""
    return list(dict.fromkeys(run for task in tasks if (run := run_of(task))))
