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
from comfyfix.screen import notes, words
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
    if not run.project.setup.lock.exists:
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
    locks = {name: lock.with_entries(entries) for name, entries in needed.items()}
    with ThreadPoolExecutor(max(1, len(cluster.workers))) as pool:
        try:
            files = list(pool.map(partial(_bring_by, run, cluster, locks), cluster.workers))
        except BaseException:  # who waits in there goes on once there is nothing to wait for
            run.stop()
            raise
    for file in files:
        _show_and_keep(run, file)
    return bool(files) and all(file.good for file in files)


def _bring_by(run: Run, cluster: Away, locks: Mapping[str, Lock], at: str) -> WorkerFile:
    """Let the worker at an address bring what is its, and return what it says of it."""
    name = cluster.workers[at]
    run.console.line(workers.begun(name, len(locks[name].entries)))

    def hear(said: str | Message) -> None:
        if isinstance(said, str):
            run.console.log(f"{name}: {said}")

    try:
        code, report = cluster.run_locked(at, _settings(run), lockfile.text(locks[name]), hear)
    except Problem as problem:
        return WorkerFile(worker=name, good=False, problem=words.problem(problem))
    rows = _rows(report)
    good = code == 0 and not bad_ones(rows)
    unsaid = because(Why.CLUSTER_WORKER_TELLS, worker=name, said=str(code))
    failure = "" if good or rows else words.sentence(unsaid)
    return WorkerFile(worker=name, good=good, problem=failure, models=rows)


def _show_and_keep(run: Run, file: WorkerFile) -> None:
    """Show what has come of a worker, and keep its verdicts; that they can't be kept is told."""
    for line in file.lines:
        run.console.line(line)
    layout = run.project.setup.layout
    path = layout.report / "workers" / f"{quote(file.worker, safe='')}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, to_json(file))
    except OSError as error:
        notes.remark(unwritable(error, layout.output))


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
    needed = {name: list(entries.values()) for name in names}
    for worker, patterns in named.items():
        needed[worker] = _of_workflows(run, worker, patterns, entries)
    return needed


def _of_workflows(
    run: Run, worker: str, patterns: Sequence[str], entries: Mapping[str, Entry]
) -> list[Entry]:
    items = locking.needed(run.project.plan)
    workflows_by_key = {key: {r.workflow for r in item.references} for key, item in items.items()}
    workflows = set(run.project.plan.workflows).union(*workflows_by_key.values())
    named: set[str] = set()
    for pattern in patterns:
        fitting = {workflow for workflow in workflows if fnmatchcase(workflow, pattern)}
        if not fitting:
            raise SetupProblem(Why.CLUSTER_WORKFLOW_UNKNOWN, pattern=pattern, worker=worker)
        named |= fitting
    return [entry for key, entry in entries.items() if named & workflows_by_key.get(key, set())]


def _settings(run: Run) -> str:
    """The manifest for a worker: what may differ there is not told, and nothing that is secret."""
    manifest = run.project.manifest
    store = str(run.project.folders.store)
    settings: dict[str, Any] = {name: getattr(manifest, name) for name in _SECTIONS}
    settings |= {"comfyui": store, "models_directory": store, "store": store, "confirm": False}
    settings["verify"] = msgspec.structs.replace(manifest.verify, qwen=False)
    return msgspec.json.encode(settings).decode()


def _rows(text: str) -> tuple[Row, ...]:
    """What a worker tells of its models, one by one; nothing where that is not to be read."""
    try:
        return msgspec.json.decode(text, type=tuple[Row, ...])
    except msgspec.DecodeError:
        return ()
