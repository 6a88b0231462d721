"""Workers with disks of their own: each gets what it needs by the lock file, and verifies it there.

The run here goes first, as ever: this machine has a disk of its own, too, and its workflows say
what is needed. Then each worker runs comfyfix for itself, with what the lock file says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from comfyfix.disk.files import write_if_changed
from comfyfix.errors import Problem, SetupProblem, unwritable
from comfyfix.records import because, to_json
from comfyfix.screen import words
from comfyfix.screen.run import workers
from comfyfix.script.channel import Message
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry, Lock
from comfyfix.stages.lock import locking
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.cluster.away import Away

_SECTIONS = ("download", "policy", "endpoints", "also_look_in")
GOOD = ("ok", "unverified")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of one model; `size` in bytes."""

    model: str
    status: str
    size: int | None
    sha256: str | None
    message: str


class WorkerFile(msgspec.Struct, frozen=True, kw_only=True):
    """`report/workers/NAME.json`: the verdicts of one worker; `problem` where there are none."""

    version: int = 1
    worker: str
    good: bool
    problem: str = ""
    models: tuple[Row, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What has come of the worker, as people read it."""
        if self.problem:
            return [workers.failed(self.worker, self.problem)]
        bad = [(row.model, row.message or row.status) for row in bad_ones(self.models)]
        return workers.ended(self.worker, len(self.models), bad)


def bad_ones(rows: Sequence[Row]) -> list[Row]:
    """Those of models that are missing or not right."""
    return [row for row in rows if row.status not in GOOD]


def require_lock(run: Run) -> None:
    """Raise SetupProblem where there is no lock file, by which workers go."""
    if run.project.manifest.each and not run.project.setup.lock.exists:
        raise SetupProblem(Why.CLUSTER_EACH_LOCK, path=run.project.setup.lock.path)


def bring(run: Run) -> bool:
    """Let each worker bring what it needs; tells whether all is there and right everywhere."""
    setup = run.project.setup
    lock = lockfile.read(setup.lock.path, setup.layout.lock_cache)
    try:
        cluster = run.cluster.away()
        needed = needed_by(run, [*cluster.workers.values()], lock.entries)
    except Problem as problem:
        run.console.line(f"✗ {words.problem(problem)}")
        return False
    one = partial(_one, run, cluster, {name: lock.with_entries(needed[name]) for name in needed})
    with ThreadPoolExecutor(max(1, len(cluster.workers))) as pool:
        try:
            files = list(pool.map(one, cluster.workers))
        except BaseException:  # who waits in there goes on once there is nothing to wait for
            run.stop()
            raise
    for file in files:
        _tell(run, file)
    return bool(files) and all(file.good for file in files)


def _one(run: Run, cluster: Away, locks: Mapping[str, Lock], at: str) -> WorkerFile:
    """Let one worker bring what is its, and return what it says of it."""
    name = cluster.workers[at]
    run.console.line(workers.begun(name, len(locks[name].entries)))

    def hear(said: str | Message) -> None:
        if isinstance(said, str):
            run.console.log(f"{name}: {said}")

    try:
        code, told = cluster.run_locked(at, _settings(run), lockfile.text(locks[name]), hear)
    except Problem as problem:
        return WorkerFile(worker=name, good=False, problem=words.problem(problem))
    rows = _rows(told)
    good = code == 0 and not bad_ones(rows)
    unsaid = because(Why.CLUSTER_WORKER_TELLS, worker=name, said=str(code))
    untold = "" if good or rows else words.sentence(unsaid)
    return WorkerFile(worker=name, good=good, problem=untold, models=rows)


def _tell(run: Run, file: WorkerFile) -> None:
    """Show what has come of a worker, and keep its verdicts. Raises ModelProblem."""
    for line in file.lines:
        run.console.line(line)
    layout = run.project.setup.layout
    place = layout.report / "workers" / f"{quote(file.worker, safe='')}.json"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(place, to_json(file))
    except OSError as error:
        raise unwritable(error, layout.output) from None


def needed_by(
    run: Run, names: Sequence[str], entries: Mapping[str, Entry]
) -> dict[str, list[Entry]]:
    """What each worker needs: all that is locked, or what the workflows that are named for it do.

    Raises SetupProblem for a worker or a workflow that is not there.
    """
    dask = run.project.manifest.dask
    named = dask.workers if dask else {}
    for worker in named:
        if worker not in names:
            raise SetupProblem(Why.CLUSTER_WORKER_UNKNOWN, worker=worker, known=names)
    found = {name: list(entries.values()) for name in names}
    for worker, patterns in named.items():
        found[worker] = _of_workflows(run, worker, patterns, entries)
    return found


def _of_workflows(
    run: Run, worker: str, patterns: Sequence[str], entries: Mapping[str, Entry]
) -> list[Entry]:
    items = locking.needed(run.project.plan)
    every = {r.workflow for item in items.values() for r in item.references}
    every |= set(run.project.plan.workflows)
    wanted: set[str] = set()
    for pattern in patterns:
        fits = {each for each in every if fnmatchcase(each, pattern)}
        if not fits:
            raise SetupProblem(Why.CLUSTER_WORKFLOW_UNKNOWN, pattern=pattern, worker=worker)
        wanted |= fits
    return [
        entry
        for key, entry in entries.items()
        if key in items and wanted & {r.workflow for r in items[key].references}
    ]


def _settings(run: Run) -> str:
    """The manifest for a worker: what may differ there is not told, and nothing that is secret."""
    manifest = run.project.manifest
    store = str(run.project.folders.store)
    told: dict[str, Any] = {name: getattr(manifest, name) for name in _SECTIONS}
    told |= {"comfyui": store, "models_directory": store, "store": store, "confirm": False}
    told["verify"] = msgspec.structs.replace(manifest.verify, qwen=False)
    return msgspec.json.encode(told).decode()


def _rows(text: str) -> tuple[Row, ...]:
    """What a worker tells of its models, one by one; nothing where that is not to be read."""
    try:
        return msgspec.json.decode(text, type=tuple[Row, ...])
    except msgspec.DecodeError:
        return ()
