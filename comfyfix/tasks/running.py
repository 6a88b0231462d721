"""One run: a project, and what its actions share, made when needed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfyfix import project as projects
from comfyfix.errors import SetupProblem
from comfyfix.net.origin import origin_of
from comfyfix.process import Children
from comfyfix.project import MANIFEST, Project
from comfyfix.records import Record
from comfyfix.screen import notes
from comfyfix.settings.manifest import Manifest
from comfyfix.stages import missing
from comfyfix.stages.report import Tally
from comfyfix.stages.work import Planned
from comfyfix.state import order, receipts
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.screen.events import Events
    from comfyfix.screen.lines import Console
    from comfyfix.sources.base import Services

IN_CONFIG = "comfyfix"
"""Under this name doit's configuration holds the run, for our commands and our reporter."""


TRIES = 3
"""How often a project is opened again because others have changed what it says."""


@dataclass
class Run:
    """What happens in one doit process to one project.

    `again` opens the project once more, without a word. `by_our_command` is set where doit runs by
    our commands, not by its own alone; `live` where our reporter has the screen to itself;
    `left_out` are settled tasks that doit need not look at.
    """

    project: Project
    again: Callable[[], Project]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    children: Children = field(default_factory=Children)
    tally: Tally = field(default_factory=Tally)
    records: dict[str, Record] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    stopping: bool = False
    live: bool = False
    by_our_command: bool = False

    def __post_init__(self) -> None:
        manifest = self.project.manifest
        self.searches = threading.Semaphore(manifest.search.parallel)
        self.downloads = threading.Semaphore(manifest.download.parallel)
        self._services_lock = threading.Lock()
        self._reserved = False

    def reserve(self) -> bool:
        """Reserve numbers and names; tell whether all is as it was loaded. Raises SetupProblem.

        Where another run was faster the project is opened again, so that it says what holds.
        """
        self._reserved = True
        if projects.reserve(self.project, notes.remark):
            return True
        for _ in range(TRIES):
            self.project = self.again()
            self.__dict__.pop("workflow_tasks", None)
            if projects.reserve(self.project, bool):
                return False
        raise SetupProblem(Why.NUMBERS_TAKEN)

    def set_right(self) -> None:
        """Put aside what stands in the place of state files, for a command that writes some."""
        for remark in order.set_right(self.project.layout):
            notes.remark(remark)

    def require_reserved(self, planned: Planned) -> None:
        """Let no task begin under a number that is another's. Raises SetupProblem.

        Our `run` has seen to it before; doit's own knows nothing of it.
        """
        with self._services_lock:
            if not self._reserved:
                self.reserve()
                self.note_missing()
        now = next((p for p in self.project.plan.models if p.model == planned.model), None)
        if now is None or (now.number, now.task) != (planned.number, planned.task):
            raise SetupProblem(Why.NUMBERS_TAKEN)

    def note_missing(self) -> None:
        """Write down what is missing now. Raises SetupProblem."""
        done = {ending.model.key for ending in self.tally.endings if ending.problem is None}
        pending = self.project.plan.pending
        try:
            missing.write(self.project.layout, (p for p in pending if p.model.key not in done))
        except OSError as error:
            raise projects.unusable(error, self.project.layout) from None

    @cached_property
    def console(self) -> Console:
        """Where the lines of this run go."""
        from comfyfix.screen.console import choose  # for those with work to do

        stamp = time.strftime("%Y%m%d_%H%M%S")
        return choose(self.project.layout.run_log(stamp), live=self.live)

    @cached_property
    def events(self) -> Events:
        """What tells the console of this run what happens."""
        from comfyfix.screen.events import Events  # for those with work to do

        return Events(self.console, self.project.folders.store)

    @cached_property
    def workflow_tasks(self) -> dict[str, str]:
        """The task names of workflows."""
        return self.project.workflow_tasks()

    def services(self) -> Services:
        """What sources need; the first call opens sessions and, for the demo, starts the hub."""
        with self._services_lock:
            return self._services

    @cached_property
    def _services(self) -> Services:
        # 170 ms that only a search needs
        from comfyfix.net.http import Web
        from comfyfix.sources.base import Services

        project, manifest = self.project, self.project.manifest
        if manifest.is_demo:
            from comfyfix.demo import example  # only the demo needs it

            manifest = example.start_hub(manifest, self.environ)
        return Services(
            manifest=manifest,
            folders=project.folders,
            layout=project.layout,
            web=Web(_by_origin(manifest, project.tokens), direct=manifest.is_demo),
            tokens=project.tokens,
            children=self.children,
            trust=project.trust,
            receipts=receipts.load(project.layout),
            qwen_gate=threading.Semaphore(manifest.qwen.parallel),
        )


def begin(workflow: str | None = None, manifest: Path | None = None) -> Run:
    """Open the project of the working folder, and tell what there is to tell of it.

    Raises SetupProblem.
    """
    opening = partial(projects.open_project, manifest or Path(MANIFEST), workflow=workflow)
    return Run(opening(notes.remark), again=partial(opening, bool))


def begin_store() -> Run:
    """Open the model folders alone. Raises SetupProblem."""
    opening = partial(projects.open_store, Path(MANIFEST))
    return Run(opening(notes.remark), again=partial(opening, bool))


def of_dodo(loader: Any) -> Run | None:
    """Return the run that a dodo has loaded, None for a dodo without our tasks."""
    found = loader.load_doit_config().get(IN_CONFIG)
    return found if isinstance(found, Run) else None


def _by_origin(manifest: Manifest, tokens: Mapping[str, str]) -> dict[str, str]:
    """Which origin may see which token; one that serves several services sees the first.

    Qwen's is not among them: it is sent by the questions to Qwen alone, and they send no other.
    """
    places = (
        (manifest.endpoints.huggingface, "huggingface"),
        (manifest.endpoints.civitai, "civitai"),
    )
    found: dict[str, str] = {}
    for url, source in places:
        if url and tokens.get(source):
            found.setdefault(origin_of(url), tokens[source])
    return found
