"""Workers with disks of their own: each gets what it needs by the lock file, and verifies it there.

The run here goes first, as ever: this machine has a disk of its own, too, and its workflows say
what is needed. Then each worker runs comfyfix for itself, with what the lock file says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from comfyfix import __version__
from comfyfix.disk.files import write_if_changed
from comfyfix.errors import Problem, SetupProblem, unwritable
from comfyfix.records import to_json
from comfyfix.screen import words, workers
from comfyfix.script.channel import Told
from comfyfix.settings import lockfile
from comfyfix.settings.lockfile import Entry
from comfyfix.stages import locking
from comfyfix.state.layout import slug
from comfyfix.tasks.running import Run
from comfyfix.why import Why

_SECTIONS = ("download", "policy", "endpoints")
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


def require_lock(run: Run) -> None:
    """Raise SetupProblem where there is no lock file, by which workers go."""
    if run.project.manifest.each and not run.project.setup.lock.exists:
        raise SetupProblem(Why.CLUSTER_EACH_LOCK, path=run.project.setup.lock.path)


def bring(run: Run) -> bool:
    """Let each worker bring what it needs; tells whether all is there and right everywhere."""
    setup = run.project.setup
    lock = lockfile.read(setup.lock.path, setup.layout.lock_cache)
    try:
        cluster = run.away()
        ours = needed_by(run, [*cluster.workers.values()], lock.entries)
    except Problem as problem:
        run.console.line(f"✗ {words.problem(problem)}")
        return False
    settings = _settings(run)

    def one(at: str) -> WorkerFile:
        name = cluster.workers[at]
        entries = ours[name]
        run.console.line(workers.begun(name, len(entries)))

        def hear(said: str | Told) -> None:
            if isinstance(said, str):
                run.console.log(f"{name}: {said}")

        try:
            text = lockfile.text(lock.with_entries(entries))
            code, told = cluster.every(at, settings, text, hear)
        except Problem as problem:
            return WorkerFile(worker=name, good=False, problem=words.problem(problem))
        rows = _rows(told)
        good = code == 0 and all(row.status in GOOD for row in rows)
        untold = "" if good or rows else words.sentence(_untold(name, code).reason)
        return WorkerFile(worker=name, good=good, problem=untold, models=rows)

    with ThreadPoolExecutor(max(1, len(cluster.workers))) as pool:
        try:
            files = list(pool.map(one, cluster.workers))
        except BaseException:  # who waits in there goes on once there is nothing to wait for
            run.stop()
            raise
    for file in files:
        for line in _lines(file):
            run.console.line(line)
        try:
            place = setup.layout.report / "workers" / f"{slug(file.worker)}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            write_if_changed(place, to_json(file))
        except OSError as error:
            raise unwritable(error, setup.layout.output) from None
    return bool(files) and all(file.good for file in files)


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
    told["also_look_in"] = manifest.also_look_in
    return f"# {__version__}\n{msgspec.json.encode(told).decode()}"


def _rows(text: str) -> tuple[Row, ...]:
    """What a worker tells of its models; a line that is none is left out."""
    names = Row.__struct_fields__
    try:
        told = [dict(zip(names, row, strict=True)) for row in json.loads(text)]
        return msgspec.convert(tuple(told), tuple[Row, ...])
    except (ValueError, TypeError, msgspec.ValidationError):
        return ()


def _untold(name: str, code: int) -> SetupProblem:
    return SetupProblem(Why.CLUSTER_WORKER_TELLS, worker=name, said=str(code))


def _lines(file: WorkerFile) -> list[str]:
    if file.problem:
        return [workers.failed(file.worker, file.problem)]
    bad = [(row.model, row.message or row.status) for row in file.models if row.status not in GOOD]
    return workers.ended(file.worker, len(file.models), bad)
