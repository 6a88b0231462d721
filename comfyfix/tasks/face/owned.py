"""Which tasks are ours, and whose run each belongs to: without loading what a run needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from comfyfix.tasks.face.marks import MARK, Owner

if TYPE_CHECKING:
    from comfyfix.tasks.run.running import Run


def run_of(task: Any) -> Run | None:
    """Return the run that one of our tasks belongs to, None for a task of the user's own."""
    owner = (task.meta or {}).get(MARK)
    return cast("Run", owner) if isinstance(owner, Owner) else None


def runs_of(tasks: Iterable[Any]) -> list[Run]:
    """The runs that some tasks belong to, each once."""
    return list(dict.fromkeys(run for task in tasks if (run := run_of(task))))
