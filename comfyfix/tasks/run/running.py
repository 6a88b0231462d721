"""One run: a project, and what its actions share, made when needed."""

from __future__ import annotations

import contextlib
import operator
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, TextIO

from comfyfix import project as projects
from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.disk import json_file, looked
from comfyfix.errors import ModelProblem, SetupProblem
from comfyfix.once import Once
from comfyfix.outcomes import Outcome
from comfyfix.process import Children
from comfyfix.project import Project
from comfyfix.records import Reason, Record
from comfyfix.screen import notes
from comfyfix.settings import shard
from comfyfix.settings.shard import Shard
from comfyfix.settings.switches import OFFLINE, on
from comfyfix.stages.download import written
from comfyfix.stages.download.slots import Slots
from comfyfix.stages.reports.tally import Tally
from comfyfix.stages.values.refused import Refusal, Refusing
from comfyfix.state import order
from comfyfix.state.receipts import Receipts
from comfyfix.tasks.face.marks import Owner
from comfyfix.tasks.run.joining import Membership
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.mirrors.handing import Mirrors
    from comfyfix.screen.run.events import Events
    from comfyfix.screen.run.following import Follower
    from comfyfix.screen.run.lines import Console
    from comfyfix.sources.base import Services
    from comfyfix.stages.needs.work import Planned
    from comfyfix.stages.plan.fitting import Room
    from comfyfix.stages.plan.policy import RunPolicy
    from comfyfix.tasks.run.orders import Orders
    from comfyfix.tasks.run.searching import ModelSearch

READINGS = 2
"""How many files that others have brought are read at the same time."""
TRIES = 3
"""How often a project is opened again because others have changed what it says."""


@dataclass(repr=False, eq=False)
class Run(Owner):
    """What happens in one doit process to one project.

    `reopen` opens the project once more, without a word. `prefix` stands before the names of its
    tasks, empty for none; `settled_tasks` are those that doit need not look at, `unpicked_tasks`
    those that the user has left out; `room` is kept for what he has agreed to. `live` where our
    reporter has the screen to itself; `always` where tasks are done also if there is nothing to do.
    Lines go to `out`, unless `quiet`: then they go to the log alone. `workflows` are those whose
    models are selected; `whole` where all of these are, so that they are to be ready.
    `selected` are the selected models themselves, None while nobody has selected.
    `shard` is where it begins, of several jobs for one store; `began` when. `brought` are the files
    that it has brought, by model, `awaited` the models that others bring just now, and `mirrored`
    the mirrors that have given some. `last_lines` are those that it ended with. `orders` takes
    orders while it works, and `follower` tells others what it does.
    """

    project: Project
    reopen: Callable[[], Project]
    prefix: str = ""
    out: TextIO = field(default_factory=lambda: sys.stdout)
    quiet: bool = False
    always: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    children: Children = field(default_factory=Children)
    tally: Tally = field(default_factory=Tally)
    records: dict[str, Record] = field(default_factory=dict)
    brought: Counter[str] = field(default_factory=Counter)
    awaited: set[str] = field(default_factory=set)
    mirrored: dict[str, str] = field(default_factory=dict)
    settled_tasks: set[str] = field(default_factory=set)
    began: str = field(default_factory=json_file.now)
    unpicked_tasks: set[str] = field(default_factory=set)
    room: Room | None = None
    stopping: bool = False
    live: bool = False
    workflows: frozenset[str] = frozenset()
    selected: tuple[Planned, ...] | None = None
    whole: bool = False
    shard: Shard = shard.WHOLE
    last_lines: list[str] = field(default_factory=list)
    orders: Orders | None = None
    follower: Follower | None = None

    def __post_init__(self) -> None:
        manifest = self.project.manifest
        self.searches = threading.Semaphore(manifest.search.parallel)
        self.downloads = Slots(manifest.download.parallel)
        self.readings = threading.Semaphore(READINGS)
        self.cluster = Membership(lambda: self.project, lambda: self.events)
        self._pending: tuple[tuple[object, ...], list[Planned]] = ((None,) * 3, [])
        self._model_searches: Once[str, ModelSearch] = Once()
        self._services: Once[str, Services] = Once()
        self._mirrors: Once[str, Mirrors] = Once()

    def __repr__(self) -> str:
        return f"<comfyfix {self.prefix}>" if self.prefix else "<comfyfix>"  # `doit info` shows it

    def group(self, kind: str) -> str:
        """The name of a group of tasks: `download`, or `PREFIX:download`."""
        return f"{self.prefix}:{kind}" if self.prefix else kind

    def task(self, kind: str, name: str) -> str:
        """The name of one task: `download:rife49`."""
        return f"{self.group(kind)}:{name}"

    def reserve(self) -> bool:
        """Reserve numbers and names; tell whether all is as it was loaded. Raises SetupProblem.

        Where another run was faster the project is opened again, so that it says what holds. An
        engine that scripts miss comes back.
        """
        holds = self._reserve()
        with contextlib.suppress(OSError):  # nothing of this run needs it
            written.put_engine_back(self.project.layout)
        return holds

    def _reserve(self) -> bool:
        if projects.reserve(self.project, remarked):
            return True
        for _ in range(TRIES):
            self.project = self.reopen()
            self.__dict__.pop("workflow_tasks", None)
            if projects.reserve(self.project, bool):
                return False
        raise SetupProblem(Why.NUMBERS_TAKEN)

    def go_on(self) -> None:
        """Raise ModelProblem where all is to end."""
        if self.stopping:
            raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.STOPPED)

    def set_right(self) -> None:
        """Put aside what stands in the place of state files, for a command that writes some."""
        for remark in order.set_right(self.project.layout):
            notes.remark(remark)

    def leave_unpicked(self, unpicked: frozenset[str], *, no_room: frozenset[str]) -> None:
        """Leave models out of this run: those that are not picked, and what has no room."""
        self.tally.unpicked, self.tally.no_room = unpicked, no_room
        left_out = unpicked | no_room
        self.unpicked_tasks = {
            self.task("download", planned.task)
            for planned in self.project.plan.models
            if planned.model.key in left_out
        }
        self.whole = self.whole and not unpicked
        self.__dict__.pop("policy", None)  # its total counted all that was found

    def downloaded_by(self, task: str) -> Planned | None:
        """The model that a task is to bring; None for one that brings none."""
        group, _, name = task.rpartition(":")
        return self.project.plan.by_task.get(name) if group == self.group("download") else None

    def leave_out(self, task: str) -> None:
        """Note that the user has told doit to ignore a task."""
        planned = self.downloaded_by(task)
        if planned is not None and planned.pending:
            self.tally.ignored[planned.model.key] = task
        elif planned is not None and self.always:  # it was counted as to be done
            self.tally.total -= 1
            self.tally.already += 1

    @property
    def pending(self) -> list[Planned]:
        """The selected models with work to do; each of them asks how many they are."""
        made_of = (self._asked_for, self.tally.unpicked, self.tally.no_room)
        before, pending = self._pending
        if any(map(operator.is_not, before, made_of)):
            left_out = self.tally.unpicked | self.tally.no_room
            pending = [p for p in self._asked_for if p.pending and p.model.key not in left_out]
            self._pending = (made_of, pending)
        return pending

    @property
    def total(self) -> int:
        """How many models this run is to bring, or to look at again."""
        return len(self._asked_for if self.always else self.pending)

    @property
    def _asked_for(self) -> tuple[Planned, ...]:
        return self.project.plan.models if self.selected is None else self.selected

    @property
    def busy(self) -> int:
        """How many tasks may have work to do."""
        return len(self.project.plan.pending) + len(self.project.plan.batches)

    @cached_property
    def receipts(self) -> Receipts:
        """What is known of the files that were fetched."""
        return Receipts(self.project.layout)

    @cached_property
    def console(self) -> Console:
        """Where the lines of this run go."""
        from comfyfix.screen.run.console import choose  # for those with work to do

        stamp = time.strftime("%Y%m%d_%H%M%S")
        console = choose(self.project.layout.run_log(stamp), self.out, live=self.live)
        if self.quiet:
            console.mute()
        console.follower = self.follower
        return console

    def follow(self, follower: Follower) -> None:
        """Let others hear what this run does. Where its lines go may not be settled by then."""
        self.follower = follower
        if "console" in self.__dict__:
            self.console.follower = follower

    @cached_property
    def events(self) -> Events:
        """What tells the console of this run what happens."""
        from comfyfix.screen.run.events import Events  # for those with work to do

        return Events(self.console, self.project.folders.store)

    @cached_property
    def policy(self) -> RunPolicy:
        """What the manifest allows to be had."""
        from comfyfix.settings.read import line_of  # only a rule that is broken has a place to tell
        from comfyfix.stages.plan.policy import RunPolicy  # for those with work to do

        path = self.project.setup.manifest_path
        line = partial(line_of, path)
        return RunPolicy(self.project.manifest.policy, path.name, line, self.project.plan)

    @cached_property
    def refusals(self) -> list[Refusal]:
        """What ComfyUI refuses of the workflows of this run; to be asked for once it is over."""
        project = self.project
        files = [file for file in project.scanned if file.workflow in self.workflows]
        return Refusing(project.manifest, Lookup(project.folders)).of_files(files)

    @cached_property
    def workflow_tasks(self) -> dict[str, str]:
        """The task names of workflows."""
        return self.project.workflow_tasks()

    def search_of(self, planned: Planned) -> ModelSearch:
        """The search of a model, the same for all who ask."""
        from comfyfix.tasks.run.searching import ModelSearch  # for those with work to do

        return self._model_searches.get(planned.model.key, partial(ModelSearch, self, planned))

    def expect(self, planned: Planned) -> None:
        """Tell the screen how many bytes are to come of a model, if that is known."""
        record = self.search_of(planned).record
        if record is not None:
            linked = record.local and not record.lent
            self.console.expect(planned.model.key, 0 if linked else record.size)

    def stop(self) -> int:
        """Stop all that runs, here and elsewhere; returns how many scripts there were."""
        return self.cluster.leave() + self.children.stop()

    def services(self) -> Services:
        """What sources need; the first call opens sessions and, for the demo, starts the hub."""
        from comfyfix.services import services  # 170 ms that only a search needs

        opened = partial(services, self.project, self.environ, self.children)
        return self._services.get("", opened)

    def mirrors(self) -> Mirrors:
        """The mirrors that scripts are told of."""
        from comfyfix.mirrors.handing import Mirrors  # only downloads need them

        offline = bool(on(OFFLINE, self.environ))
        made = partial(Mirrors, self.project.mirrors, self.events.mirror_unused, offline=offline)
        return self._mirrors.get("", made)


def remarked(remark: Reason) -> None:
    """Tell a remark on the project; what is told besides is told each time."""
    looked.unsure()
    notes.remark(remark)
