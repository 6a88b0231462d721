"""What killed downloads have left goes, also where a model is there and has no task to run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from comfyfix.disk import temporary
from comfyfix.disk.files import led_into, regular_stat
from comfyfix.disk.lease import leftovers
from comfyfix.disk.lease.leftovers import Left
from comfyfix.errors import Problem
from comfyfix.records import Model
from comfyfix.stages.needs.work import Planned, Present
from comfyfix.state.layout import store_receipt
from comfyfix.tasks.run.running import Run


def clear(run: Run) -> None:
    """Remove what dead scripts of this machine have left beside the models that are there.

    A part beside a model that is still to come stays: its own script goes on with it. Nothing
    that goes wrong here is a failure of the run.
    """
    _clear_temporary(run)
    for folder, models in _places(run).items():
        names = [name for name in leftovers.beside(folder, models) if regular_stat(models[name][1])]
        if names:
            with contextlib.suppress(Problem, OSError):
                _clear_beside(run, folder, models[names[0]][0], names)


def caches(run: Run) -> list[Left]:
    """Our caches; doit's memory is no such, since it holds what the user ignores."""
    layout = run.project.layout
    files = (
        layout.scan_cache, layout.pack_cache, layout.server_cache, layout.hashes, layout.kept,
        layout.rendered, layout.pieces, layout.records_cache,
        *sorted(layout.brought.glob("*/*")), *sorted(layout.searches.glob("*")),
    )  # fmt: skip
    stats = ((str(path), regular_stat(str(path))) for path in files)
    return [Left(path, size=info.st_size) for path, info in stats if info]


def abandoned(models: Iterable[tuple[Model, str]]) -> list[Left]:
    """What stopped downloads of some models have left, also where it could be gone on with."""
    return [
        replace(left, beside=model.key)
        for model, location in models
        for left in leftovers.abandoned(*os.path.split(location))
    ]


def remove(run: Run, models: Iterable[tuple[Model, str]], some: Sequence[Left]) -> list[Left]:
    """Remove caches and what was left beside some models; return what is gone."""
    for left in some:
        if not left.beside:
            _unlink(left.path)
    for model, location in models:
        beside = [left for left in some if left.beside == model.key]
        if beside:
            folder, name = os.path.split(location)
            with contextlib.suppress(Problem, OSError):
                _clear_beside(run, folder, model, [name])
                for left in beside:
                    if not left.ours:
                        _unlink(left.path)
    return [left for left in some if not os.path.lexists(left.path)]


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)  # a directory that never became whole
        else:
            os.unlink(path)


def _clear_temporary(run: Run) -> None:
    """Remove what killed writes of ours have left in output/ and in the receipts of the store."""
    store, layout, plan = run.project.folders.store, run.project.layout, run.project.plan
    for folder in (layout.output, layout.caches, *layout.folders):
        temporary.clear(folder)
    models = [p.model for p in plan.models] + [p.model for p in plan.present]
    # A thousand models share a few folders: a path is made for each folder, not for each model.
    places = {(m.folder, os.path.dirname(m.path)) for m in models if m.folder is not None}
    for key, subfolder in places:
        receipts = store_receipt(store, key, os.path.join(subfolder, "any")).parent
        if led_into(receipts, store):  # another may have put a link in the folder's place
            temporary.clear(receipts)


def _places(run: Run) -> dict[str, dict[str, tuple[Model, str]]]:
    """The models that are there, by folder and file name: where they lie and would be written."""
    places: dict[str, dict[str, tuple[Model, str]]] = {}
    written: dict[str, str] = {}  # by folder key; a thousand models share a few
    for model, location in _there(run):
        key = model.folder or ""
        if key not in written:
            written[key] = str(run.project.folders.destination(key, ""))
        for path in {location, f"{written[key]}/{model.path}"}:
            folder, _, name = path.rpartition("/")
            places.setdefault(folder, {})[name] = model, location
    return places


def _there(run: Run) -> Iterator[tuple[Model, str]]:
    done = {ending.model.key for ending in run.tally.endings if ending.problem is None}
    for planned in run.project.plan.models:
        if not planned.pending or planned.model.key in done:
            yield from places_of(planned)
    for present in run.project.plan.present:
        yield from places_of(present)


def places_of(item: Planned | Present) -> Iterator[tuple[Model, str]]:
    """Where a model lies or will lie, and each file of it, if it has several."""
    yield item.model, item.location
    if isinstance(item, Present):
        if item.files is not None:
            yield from ((model, str(path)) for model, path in item.members)
    elif item.record is not None and item.record.files:
        yield from ((member.model, member.destination) for member in item.record.members)


def _clear_beside(run: Run, folder: str, model: Model, names: list[str]) -> None:
    # Only a run with something to clear pays for these.
    from comfyfix.script import engine
    from comfyfix.stages.download import fetch

    real = fetch.real_folder(model, f"{folder}/{names[0]}", run.project.folders)
    # Nothing of the user's settings: a file that bash is told to read first could hold anything.
    env = {name: run.environ[name] for name in ("PATH", "HOSTNAME") if name in run.environ}
    argv = ["bash", "-c", engine.clearing(), "clear", str(real), *names]
    # What `rm` may say of a store that is read only is no news, and the run has not begun yet.
    run.children.run(argv, env, lambda _said: None)
