"""Searches of a run: each model is searched once, before the user agrees or by its task."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from comfyfix.disk import json_file
from comfyfix.disk.files import write_atomic
from comfyfix.errors import Problem, unwritable
from comfyfix.records import Record, to_json
from comfyfix.screen import notes
from comfyfix.screen.ends import leave
from comfyfix.screen.run.preview import Answer
from comfyfix.stages.search import demand
from comfyfix.stages.search import resolve as resolve_stage
from comfyfix.state import ledger
from comfyfix.stopping import Stopped

if TYPE_CHECKING:
    from comfyfix.process import Children
    from comfyfix.project import Project
    from comfyfix.sources.base import Services
    from comfyfix.stages.needs.work import Planned
    from comfyfix.stages.plan.policy import RunPolicy

Asked = TypeVar("Asked")
Said = TypeVar("Said")


class Searching(Protocol):
    """What a search needs of its run."""

    searches: threading.Semaphore
    children: Children

    @property
    def project(self) -> Project:
        """What is searched for, and what with."""

    @property
    def policy(self) -> RunPolicy:
        """What the manifest allows to be had."""

    def services(self) -> Services:
        """What sources need."""


def side_by_side(
    run: Searching, asked: Sequence[Asked], ask: Callable[[Asked], Said]
) -> list[Said]:
    """Ask for each, and return the answers in this order; a stop ends the process at once."""
    with ThreadPoolExecutor(run.project.manifest.search.parallel) as pool:
        try:
            return list(pool.map(ask, asked))
        except Stopped as stopped:
            run.children.stop()
            notes.stopped_searching()
            leave(stopped.exit_code)


class ModelSearch:
    """The one search of a model, however many ask for it; whoever comes later has to wait.

    `record` and `problem` are what came of it, both None until it is settled. `anew` where sources
    were asked: the record of an earlier run is used again. `rests` where only a source is left
    whose questions cost something. `requests` is how many the search has sent so far.
    """

    def __init__(self, run: Searching, planned: Planned) -> None:
        self.run, self.planned = run, planned
        self.problem: Exception | None = planned.problem
        self.record: Record | None = None
        self.anew = self.rests = False
        self.requests = 0
        self._search: resolve_stage.Search | None = None
        self._lock = threading.Lock()
        old = planned.record
        if self.problem is None and old is not None:
            holds = demand.still_wanted(old, planned, run.project.manifest)
            self.record = old if holds else None

    @property
    def is_settled(self) -> bool:
        """Tell whether it is known what comes of it."""
        return self.record is not None or self.problem is not None

    def ask(self, *, costs: bool, begin: Callable[[], object] = bool) -> None:
        """Search as far as there is need; `costs`: also where a question costs something.

        `begin` is called once, when its turn has come among the searches of the run.
        """
        with self._lock:
            if self.is_settled or (self.rests and not costs):
                begin()
                return
            with self.run.searches:
                begin()
                try:
                    self._ask(costs=costs)
                except Exception as problem:  # noqa: BLE001 - whoever asks for the record gets it
                    self.problem = problem

    def finish(self, begin: Callable[[], object]) -> Record:
        """The record of the model, searched for to the end. Raises what the search raised."""
        self.ask(costs=True, begin=begin)
        if self.record is None:
            raise self.problem or RuntimeError(self.planned.model.key)
        return self.record

    def _ask(self, *, costs: bool) -> None:
        search = self._search or resolve_stage.Search(self.planned, self.run.services())
        self._search = search
        self.anew = True
        web = self.run.services().web
        before = web.sent
        try:
            self.record = search.finish() if costs else search.go_on()
        finally:
            self.requests += web.sent - before
        self.rests = self.record is None

    def answer(self) -> Answer:
        """What is known so far, without waiting."""
        record, problem = self.record, self.problem
        unsettled = record is None and problem is None
        if unsettled and self._search is not None:
            problem = self._search.obstacle
        if isinstance(problem, OSError):
            problem = unwritable(problem, self.run.project.layout.output)
        shown = problem if isinstance(problem, Problem) else None
        return Answer(self.planned, record=record, problem=shown, unsettled=unsettled)


def search_and_keep(search: ModelSearch, *, costs: bool) -> Answer:
    """Search for a model, keep what is found, and say what a run would do with it.

    A problem that no user can act on is raised.
    """
    run, planned = search.run, search.planned
    search.ask(costs=costs)
    answer = search.answer()
    if answer.record is None:
        if answer.problem is None and search.problem is not None:
            raise search.problem
        return answer
    try:
        if search.anew:
            _keep(run, planned, answer.record)
        run.policy.require(answer.record)
    except Problem as problem:
        return Answer(planned, problem=problem)
    except OSError as error:
        return Answer(planned, problem=unwritable(error, run.project.layout.output))
    return Answer(planned, record=answer.record, near=_near(run, answer.record))


def _near(run: Searching, record: Record) -> str:
    """The file of this machine that a run would copy instead of fetching; empty for none."""
    if record.lent:
        return record.local
    lender = run.services().lender(record)
    lead = lender and lender.promised()
    return lead.path if lead else ""


def _keep(run: Searching, planned: Planned, record: Record) -> None:
    """Keep what was found for the next run, under a number whose script says the same."""
    path = run.project.layout.record(record.number, planned.model)
    old = json_file.read(path, Record)
    if old is not None and old.same_content(record):
        return  # searched again, and found again
    if run.project.layout.script(record.number, planned.model).exists():
        record = msgspec.structs.replace(
            record, number=ledger.renumber(run.project.layout, planned.model)
        )
        path = run.project.layout.record(record.number, planned.model)
    write_atomic(path, to_json(record))


class BackgroundSearches:
    """Searches that go on while the user is asked, in the order of the run.

    What is found is kept, as `plan` does. `halt` lets no further one begin; its own task takes it
    up then, and waits for one that is under way.
    """

    def __init__(self, searches: Sequence[ModelSearch], *, costs: bool) -> None:
        self._costs = costs
        self._all = searches
        self._queue = list(searches)
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._under_way: dict[str, str] = {}
        self._halted = False

    def begin(self, parallel: int) -> None:
        """Begin; the threads keep no process from ending."""
        for _ in range(min(parallel, len(self._all))):
            threading.Thread(target=self._work, daemon=True).start()

    def halt(self) -> None:
        """Begin none any more."""
        with self._lock:
            self._halted = True

    def prefer(self, keys: Collection[str]) -> None:
        """Let these models come before the others."""
        with self._lock:
            self._queue.sort(key=lambda search: search.planned.model.key not in keys)

    def answers(self) -> list[Answer]:
        """What is known so far, of each model."""
        with self._lock:
            ended = dict(self._answers)
        return [ended.get(s.planned.model.key) or s.answer() for s in self._all]

    def under_way(self) -> list[str]:
        """The names of the models that are being searched."""
        with self._lock:
            return list(self._under_way.values())

    def _work(self) -> None:
        for search in iter(self._next, None):
            key = search.planned.model.key
            try:
                answer = search_and_keep(search, costs=self._costs)
            except Exception:  # noqa: BLE001 - its task raises it again, where it is told
                answer = Answer(search.planned, unsettled=True)
            with self._lock:
                self._under_way.pop(key, None)
                self._answers[key] = answer

    def _next(self) -> ModelSearch | None:
        with self._lock:
            if self._halted or not self._queue:
                return None
            search = self._queue.pop(0)
            self._under_way[search.planned.model.key] = search.planned.model.name
            return search
