"""The `list` command: the pending models; with doit's own options, doit's own list."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from doit.cmd_list import List as DoitList

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.errors import SetupProblem
from comfyfix.screen import listing, notes, refused
from comfyfix.screen.objects import say_json, say_json_of
from comfyfix.screen.text import clean, fitted
from comfyfix.screen.words import t
from comfyfix.stages.refused import Refusal, Refusing
from comfyfix.stages.work import Pending
from comfyfix.tasks import inside_doit
from comfyfix.tasks.commands.base import (
    CHECK_OPTION,
    project_heading,
)
from comfyfix.tasks.dodo import of_dodo
from comfyfix.tasks.guard import JSON_OPTION, Guarded
from comfyfix.tasks.running import AS_KEPT, Run, run_of
from comfyfix.why import Why

_DOITS_OWN = ("subtasks", "status", "private", "list_deps", "template")


class List(Guarded, DoitList):  # type: ignore[misc]
    """List the pending models (`--all`: every task, as doit lists them)."""

    doc_purpose = t("list the pending models")
    doc_usage = "[TASK ...]"
    name: ClassVar[str] = "list"
    cmd_options = (*DoitList.cmd_options, JSON_OPTION, CHECK_OPTION)

    def execute(self, params: Any, args: list[str]) -> int:
        """Print the pending models from the plan alone, or hand over to doit's own list."""
        if args or any(params[name] for name in _DOITS_OWN):
            return self._doits(params, args)
        asked = AS_KEPT.set(params["quiet"])
        try:
            self.loader.setup(params)  # reads the dodo, which makes the plan
        finally:
            AS_KEPT.reset(asked)
        runs = of_dodo(self.loader)
        params.update_defaults(self.loader.load_doit_config())
        if not runs:
            raise SetupProblem(Why.DODO_FOREIGN)
        for run in runs:
            notes.unreadable(run.project.plan.unreadable)
        if params["as_json"]:
            say_json_of({run.prefix: _as_data(run, self._ignored(params)) for run in runs})
        else:
            lines = self._names(runs) if params["quiet"] else self._lines(runs, params)
            text = "".join(f"{fitted(clean(line))}\n" for line in lines)
            if text:  # without a buffer, even nothing at all may be too much for a screen
                self.outstream.write(text)
        return int(bool(params["check"] and any(map(_lacks, runs))))

    def _doits(self, params: Any, args: list[str]) -> int:
        if not params["as_json"]:
            result: int = super().execute(params, args)
            return result
        self.outstream = said = io.StringIO()
        with contextlib.redirect_stdout(said):
            result = super().execute(params, args)
        say_json({"command": self.name, "lines": said.getvalue().splitlines()}, result or 0)
        return result

    def _names(self, runs: list[Run]) -> Iterator[str]:
        for run in runs:
            yield from (run.task("download", p.task) for p in run.project.plan.pending)
        yield from (name for name, _ in self._users_own())

    def _lines(self, runs: list[Run], params: Any) -> Iterator[str]:
        ignored = self._ignored(params)
        for run in runs:
            yield from project_heading(run.prefix)
            yield from _table(run, ignored)
        yield from listing.others(self._users_own())

    @staticmethod
    def _ignored(params: Any) -> set[str]:
        json = params["backend"] == "json"
        return inside_doit.ignored(Path(params["dep_file"])) if json else set()

    def _users_own(self) -> list[tuple[str, str]]:
        """The tasks of the dodo that are not ours, as doit lists them."""
        if not inside_doit.has_others(self.loader):
            return []
        tasks = self.loader.load_tasks(cmd=self, pos_args=[])
        theirs = [task for task in tasks if run_of(task) is None and not task.subtask_of]
        return sorted((task.name, task.doc) for task in theirs if not task.name.startswith("_"))


def _table(run: Run, ignored: set[str]) -> list[str]:
    plan = run.project.plan
    values = refused.lines(_refusals(run))
    if not plan.pending:
        return [listing.nothing(len(plan.models) + len(plan.present)), *values]
    return [*listing.table(_rows(run, ignored)), *values]


def _as_data(run: Run, ignored: set[str]) -> dict[str, Any]:
    """What is pending, for programs."""
    return listing.as_data(
        _rows(run, ignored) if run.project.plan.pending else [],
        _refusals(run),
        run.project.plan.unreadable,
    )


def _lacks(run: Run) -> bool:
    plan = run.project.plan
    return bool(plan.pending or plan.unreadable or _refusals(run))


def _refusals(run: Run) -> list[Refusal]:
    refusing = Refusing(run.project.manifest, Lookup(run.project.folders))
    return refusing.of_files(run.project.scanned)


def _rows(run: Run, ignored: set[str]) -> list[listing.Row]:
    from comfyfix.comfyui.store.index import StoreIndex  # where something is absent
    from comfyfix.stages.near import near_misses

    plan, folders = run.project.plan, run.project.folders
    index = StoreIndex(folders.roots(), folders.links)  # walked at the first absent model
    rows = []
    for planned in plan.pending:
        absent = planned.pending is Pending.ABSENT
        near = near_misses(index, folders, planned.model) if absent else ()
        task = run.task("download", planned.task)
        rows.append(listing.Row(planned, task, tuple(near), ignored=task in ignored))
    return rows
