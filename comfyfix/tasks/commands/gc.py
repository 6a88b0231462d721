"""The `gc` command: what nobody needs any more goes to the trash of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from comfyfix.disk import json_file
from comfyfix.disk.trash import trash
from comfyfix.disk.trash.trash import Trash, Wanted
from comfyfix.disk.trash.trash_note import Entry
from comfyfix.errors import SetupProblem, system_says
from comfyfix.records import because
from comfyfix.screen.commands import storing
from comfyfix.screen.commands.storing import Collected
from comfyfix.screen.text import room
from comfyfix.screen.words import t
from comfyfix.stages.store import gc, move
from comfyfix.stages.store.gc import Provenance
from comfyfix.tasks.commands.base import ProjectCommand, require_no_names, tell_projects
from comfyfix.tasks.face.options import JSON_OPTION, switch
from comfyfix.tasks.run.opening import begin_store
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.store.in_tier import LettingGo, letting_go
from comfyfix.tasks.store.needing import Needing
from comfyfix.why import Why


class Gc(ProjectCommand):
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
        if len(wishes := [name for name in ("yes", "purge", "restore") if options[name]]) > 1:
            raise SetupProblem(Why.GC_ONE_AT_A_TIME, one=wishes[0], other=wishes[1])
        if options["restore"]:
            outcomes = self._restored(options, names)
        else:
            require_no_names(names, Why.GC_TAKES_NONE)
            outcomes = self._collected(options)
        lines = partial(storing.collected, room=room())
        data = storing.collected_as_data
        tell_projects(outcomes.items(), data, lines, as_json=options["as_json"])
        return int(any(outcome.refused or outcome.left for outcome in outcomes.values()))

    def _collected(self, options: dict[str, Any]) -> dict[str, Collected]:
        for tasks in self.projects(options):  # what a killed one has left goes back first
            with _trash(begin_store(tasks.manifest)):
                pass
        runs = self.runs(options)
        needing = Needing(runs)
        return {run.prefix: _collect(run, needing, options) for run in runs}

    def _restored(self, options: dict[str, Any], names: list[str]) -> dict[str, Collected]:
        runs = {tasks.prefix: begin_store(tasks.manifest) for tasks in self.projects(options)}
        in_trash: set[str] = set()
        for run in runs.values():
            with _trash(run) as bin_:
                in_trash.update(*map(_names, bin_.entries() if bin_ else ()))
        if unknown := set(names) - in_trash:  # before anything is put back
            raise SetupProblem(Why.GC_NOT_IN_TRASH, name=min(unknown))
        outcomes = {prefix: Collected(did="restored") for prefix in runs}
        for prefix, run in runs.items():
            with _trash(run) as bin_:
                if bin_:
                    _restore(bin_, names, outcomes[prefix])
        return outcomes


def _names(entry: Entry) -> set[str]:
    """What one in the trash may be called by."""
    return {entry.name, entry.model, entry.model.rpartition("/")[2]}


def _restore(bin_: Trash, names: list[str], outcome: Collected) -> None:
    """Put back what is called so, or all."""
    chosen = [entry for entry in bin_.entries() if not names or _names(entry) & set(names)]
    for entry, taken in bin_.restore(chosen):
        if taken:
            outcome.left.append((entry.model, because(Why.GC_PLACE_TAKEN, path=taken[0])))
        else:
            outcome.moved.append((entry.model, entry.size))


def _collect(run: Run, needing: Needing, options: dict[str, Any]) -> Collected:
    provenance, units = needing.units(run)
    chosen = gc.removable(units, everything=options["all"])
    outcome = Collected("shown", chosen, refused=needing.doubts, workflows=needing.workflows)
    outcome.others = sum(unit.may_go for unit in units) - len(chosen)
    if needing.doubts:
        outcome.chosen = []
        return outcome
    if options["purge"]:
        outcome.did, outcome.chosen = "purged", []
        _purge(run, needing, outcome)
    elif options["yes"] and chosen:
        outcome.did = "moved"
        with _trash(run, make=True) as bin_:
            if bin_:
                with letting_go(run) as tier:
                    _move(bin_, provenance, needing, outcome, tier)
    with _trash(run) as bin_:
        outcome.trash = bin_.entries() if bin_ else []
    return outcome


def _move(
    bin_: Trash, provenance: Provenance, needing: Needing, outcome: Collected, tier: LettingGo
) -> None:
    for begin in range(0, len(outcome.chosen), trash.AT_ONCE):
        units = []
        for unit in outcome.chosen[begin : begin + trash.AT_ONCE]:
            # The copy first: with the store's file away it would be the only one, and stay.
            if reason := tier.let_go([unit.path, *unit.files]):
                outcome.left.append((unit.model.key, reason))
            else:
                units.append(unit)
        wanted = [
            Wanted(unit.model.key, unit.size, unit.items, partial(gc.look_again, unit, provenance))
            for unit in units
        ]
        reasons = bin_.take(json_file.now(), wanted, needing.changed)
        for unit, reason in zip(units, reasons, strict=True):
            if reason is None:
                outcome.moved.append((unit.model.key, unit.size))
            else:
                outcome.left.append((unit.model.key, reason))


def _purge(run: Run, needing: Needing, outcome: Collected) -> None:
    with _trash(run) as bin_:
        if bin_ is None:
            return
        chosen = []
        for entry in bin_.entries():
            if _is_needed(entry, run, needing):
                outcome.left.append((entry.model, because(Why.GC_TRASH_NEEDED)))
            else:
                chosen.append(entry)
        bin_.purge(chosen)
        outcome.moved += [(entry.model, entry.size) for entry in chosen]


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
        cause = system_says(error)
        raise SetupProblem(Why.GC_TRASH_ODD, store=store, cause=cause) from None
