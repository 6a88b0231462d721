"""The `gc` command: what nobody needs any more goes to the trash of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from comfyfix.disk import json_file, trash
from comfyfix.disk.trash import Trash, Wanted
from comfyfix.disk.trash_note import Entry
from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.screen.commands import storing
from comfyfix.screen.commands.storing import Collected
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import room, say
from comfyfix.screen.words import t
from comfyfix.stages.store import gc, move
from comfyfix.stages.store.gc import Known
from comfyfix.tasks.commands.base import Ours, project_heading
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run.opening import begin_store
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store.in_tier import LettingGo, letting_go
from comfyfix.tasks.store.needing import Needing
from comfyfix.tasks.store.units import known_units
from comfyfix.why import Why


class Gc(Ours):
    """Move what no workflow needs to the trash of the store."""

    doc_purpose = t("show what no workflow needs any more, and move it to the trash")
    doc_usage = "[--yes | --purge | --restore [NAME ...]]"
    doc_description = t(
        "Only files that this project has fetched, that are as they were then, and that no "
        "workflow, lock file or pin names: also none of the checkouts in `gc: {{keep: […]}}`. "
        "Without `--yes` nothing is moved. The trash is `.comfyfix/trash` of the store: "
        "`--restore` puts back what lies there, `--purge` removes it for good."
    )
    cmd_options = (
        switch("all", t("also files that came without comfyfix, in ComfyUI's own folders")),
        switch("yes", t("move them to the trash")),
        switch("restore", t("put back what is in the trash: all of it, or NAME")),
        switch("purge", t("remove for good what is in the trash and still not needed")),
        JSON_OPTION,
    )
    name = "gc"

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Look, and move what is asked for."""
        if len(asked := [name for name in ("yes", "purge", "restore") if options[name]]) > 1:
            raise SetupProblem(Why.GC_ONE_AT_A_TIME, one=asked[0], other=asked[1])
        if names and not options["restore"]:
            raise SetupProblem(Why.GC_TAKES_NONE, name=names[0])
        if options["restore"]:
            found = self._restored(options, names)
        else:
            found = self._collected(options)
        if options["as_json"]:
            say_json_of({prefix: storing.collected_as_data(one) for prefix, one in found.items()})
        else:
            for prefix, one in found.items():
                say(*project_heading(prefix), *storing.collected(one, room()))
        return int(any(one.refused or one.left for one in found.values()))

    def _collected(self, options: dict[str, Any]) -> dict[str, Collected]:
        for tasks in self.projects(options):  # what a killed one has left goes back first
            with _trash(begin_store(tasks.manifest)):
                pass
        runs = self.runs(options)
        needing = Needing(runs)
        return {run.prefix: _project(run, needing, options) for run in runs}

    def _restored(self, options: dict[str, Any], names: list[str]) -> dict[str, Collected]:
        runs = {tasks.prefix: begin_store(tasks.manifest) for tasks in self.projects(options)}
        known: set[str] = set()
        for run in runs.values():
            with _trash(run) as bin_:
                known.update(*map(_called, bin_.entries() if bin_ else ()))
        if unknown := set(names) - known:  # before anything is put back
            raise SetupProblem(Why.GC_NOT_IN_TRASH, name=min(unknown))
        found = {prefix: Collected(did="restored") for prefix in runs}
        for prefix, run in runs.items():
            with _trash(run) as bin_:
                if bin_:
                    _restore(bin_, names, found[prefix])
        return found


def _called(entry: Entry) -> set[str]:
    """What one in the trash is called by."""
    return {entry.name, entry.model, entry.model.rpartition("/")[2]}


def _restore(bin_: Trash, names: list[str], made: Collected) -> None:
    """Put back what is called so, or all."""
    chosen = [entry for entry in bin_.entries() if not names or _called(entry) & set(names)]
    for entry, taken in bin_.restore(chosen):
        if taken:
            made.left.append((entry.model, because(Why.GC_PLACE_TAKEN, path=taken[0])))
        else:
            made.moved.append((entry.model, entry.size))


def _project(run: Run, needing: Needing, options: dict[str, Any]) -> Collected:
    known, units = known_units(run, needing)
    chosen = gc.may_go(units, everything=options["all"])
    made = Collected("shown", chosen, refused=needing.doubts, workflows=needing.workflows)
    made.others = sum(unit.may_go for unit in units) - len(chosen)
    if needing.doubts:
        made.chosen = []
        return made
    if options["purge"]:
        made.did, made.chosen = "purged", []
        _purge(run, needing, made)
    elif options["yes"] and chosen:
        made.did = "moved"
        with _trash(run, make=True) as bin_:
            if bin_:
                with letting_go(run) as tier:
                    _move(bin_, known, needing, made, tier)
    with _trash(run) as bin_:
        made.trash = bin_.entries() if bin_ else []
    return made


def _move(bin_: Trash, known: Known, needing: Needing, made: Collected, tier: LettingGo) -> None:
    for begin in range(0, len(made.chosen), trash.AT_ONCE):
        units = []
        for unit in made.chosen[begin : begin + trash.AT_ONCE]:
            # The copy first: with the store's file away it would be the only one, and stay.
            if reason := tier.let_go([unit.path, *unit.files]):
                made.left.append((unit.model.key, reason))
            else:
                units.append(unit)
        wanted = [
            Wanted(unit.model.key, unit.size, unit.items, partial(gc.still, unit, known))
            for unit in units
        ]
        reasons = bin_.take(json_file.now(), wanted, needing.changed)
        for unit, reason in zip(units, reasons, strict=True):
            if reason is None:
                made.moved.append((unit.model.key, unit.size))
            else:
                made.left.append((unit.model.key, reason))


def _purge(run: Run, needing: Needing, made: Collected) -> None:
    with _trash(run) as bin_:
        if bin_ is None:
            return
        chosen = []
        for entry in bin_.entries():
            if _is_needed(entry, run, needing):
                made.left.append((entry.model, because(Why.GC_TRASH_NEEDED)))
            else:
                chosen.append(entry)
        bin_.purge(chosen)
        made.moved += [(entry.model, entry.size) for entry in chosen]


def _is_needed(entry: Entry, run: Run, needing: Needing) -> bool:
    """Tell whether somebody needs again what is in the trash."""
    store = run.project.folders.store
    files = {f"{store}/{item.place}": (item.device, item.inode) for item in entry.items}
    whole = any(item.is_directory for item in entry.items)
    models = move.models_called(entry.model)
    return any(needing.needs.of(model, files, directory=whole) for model in models)


@contextmanager
def _trash(run: Run, *, make: bool = False) -> Iterator[Trash | None]:
    """The trash of a project's store. Raises SetupProblem."""
    store: Path = run.project.folders.store
    try:
        with trash.opened(store, make=make) as bin_:
            yield bin_
    except trash.Busy:
        raise SetupProblem(Why.GC_TRASH_BUSY, store=store) from None
    except OSError as error:
        cause = because(Why.SYSTEM_SAYS, error=error.strerror or error)
        raise SetupProblem(Why.GC_TRASH_ODD, store=store, cause=cause) from None
