"""What a dodo.py takes from us, and how our commands find it there again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfyfix.errors import SetupProblem
from comfyfix.settings import MANIFEST
from comfyfix.tasks.face import inside_doit
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.tasks.run.idle import Settled
    from comfyfix.tasks.run.running import Run

Task = dict[str, Any]
ONLY_NAMED: ContextVar[bool] = ContextVar("ONLY_NAMED", default=False)
"""Set while a command wants to know which manifests a dodo names, and opens them itself."""

ONLY_WORK: ContextVar[Callable[[], bool]] = ContextVar("ONLY_WORK", default=bool)
"""Set by a command that may be about all that has work to do, and then needs no other tasks.

Whether it is shows once the dodo is read.
"""


@dataclass(eq=False)
class Tasks:
    """The tasks of one manifest; doit calls `create_doit_tasks`.

    `open` is None where the manifest is only named. `settled` where a kept answer says that there
    is no work: then the project is opened only for who asks for more.
    """

    manifest: Path
    prefix: str
    open: Callable[[], Run] | None
    declare: Callable[[Run], Iterator[Task]]
    settled: Settled | None = None
    _run: Run | None = None

    def opened(self) -> Run:
        """The project, opened once. Raises InvalidDodoFile."""
        if self._run is None:
            if self.open is None:
                raise RuntimeError(f"{self.manifest} is only named")
            self._run, self.settled = self.open(), None
        return self._run

    def close(self) -> None:
        """Let it be opened again: what it says may have changed."""
        self._run = None

    def create_doit_tasks(self) -> Iterator[Task]:
        """Search, script and download the missing models."""
        if self.open is not None and self.settled is None:
            yield from self.declare(self.opened())


def tasks_in(loader: Any) -> list[Tasks]:
    """The tasks of manifests that a dodo has, each once."""
    values = inside_doit.namespace(loader).values()
    return list(dict.fromkeys(value for value in values if isinstance(value, Tasks)))


def runs_in(loader: Any) -> list[Run]:
    """The projects that a dodo has opened. Raises SetupProblem where it has lost them."""
    runs = [tasks.opened() for tasks in tasks_in(loader) if tasks.open is not None]
    reporter = loader.load_doit_config().get("reporter")
    if not runs and getattr(reporter, "of_comfyfix", False):
        raise SetupProblem(Why.TASKS_HIDDEN)
    return runs


def manifests_named(loader: Any, options: dict[str, Any]) -> list[Tasks]:
    """The manifests that a dodo names, or that of the working folder where no dodo is.

    Raises SetupProblem.
    """
    has_dodo = _has_dodo(options)
    if has_dodo:
        token = ONLY_NAMED.set(True)
        try:
            loader.setup(options)
        finally:
            ONLY_NAMED.reset(token)
        if named := tasks_in(loader):
            return named
    here = manifest_here()
    if has_dodo and not here.exists():
        raise SetupProblem(Why.DODO_FOREIGN)
    return [Tasks(here, "", None, lambda _run: iter(()))]


def manifest_here() -> Path:
    """The manifest of the working folder; in a ComfyUI without one, where it would lie."""
    here = Path(MANIFEST).absolute()
    if os.path.lexists(here):
        return here
    from comfyfix.comfyui.store.installation import looks_like_one  # where none is
    from comfyfix.settings import read

    return read.implied_in(here.parent) if looks_like_one(here.parent) else here


def _has_dodo(options: dict[str, Any]) -> bool:
    """Tell whether a dodo is there, or one is asked for: then it is doit that looks for it."""
    if "dodoFile" not in options:
        return False
    looked_for = options["dodoFile"] != "dodo.py" or options["cwdPath"] or options["seek_file"]
    return bool(looked_for) or Path("dodo.py").exists()
