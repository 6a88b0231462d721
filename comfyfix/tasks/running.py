"""One run: a project, and what its actions share, made when needed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfyfix import project as projects
from comfyfix.net.origin import origin_of
from comfyfix.process import Children
from comfyfix.project import MANIFEST, Project
from comfyfix.records import Record
from comfyfix.screen import notes
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.report import Tally
from comfyfix.state import receipts

if TYPE_CHECKING:
    from comfyfix.screen.events import Events
    from comfyfix.screen.lines import Console
    from comfyfix.sources.base import Services

IN_CONFIG = "comfyfix"
"""Under this name doit's configuration holds the run, for our commands and our reporter."""


@dataclass
class Run:
    """What happens in one doit process to one project.

    `by_our_command` is set where doit runs by our commands, not by its own alone; `live` where our
    reporter has the screen to itself.
    """

    project: Project
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    children: Children = field(default_factory=Children)
    tally: Tally = field(default_factory=Tally)
    records: dict[str, Record] = field(default_factory=dict)
    stopping: bool = False
    live: bool = False
    by_our_command: bool = False

    def __post_init__(self) -> None:
        manifest = self.project.manifest
        self.searches = threading.Semaphore(manifest.search.parallel)
        self.downloads = threading.Semaphore(manifest.download.parallel)
        self._services_lock = threading.Lock()

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
    return Run(projects.open_project(manifest or Path(MANIFEST), notes.remark, workflow))


def begin_store() -> Run:
    """Open the model folders alone. Raises SetupProblem."""
    return Run(projects.open_store(Path(MANIFEST), notes.remark))


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
