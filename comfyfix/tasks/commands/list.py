"""The `list` command: the pending models; with doit's own options, doit's own list.

Where none is pending, and a kept answer says so, that is told at once: what more takes is loaded by
those who need it.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from doit.cmd_list import List as DoitList

from comfyfix.errors import SetupProblem
from comfyfix.screen.commands import listing
from comfyfix.screen.objects import say_json, say_json_of
from comfyfix.screen.text import laid_out, room
from comfyfix.screen.words import t
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.dodo import Tasks, runs_in, tasks_in
from comfyfix.tasks.face.guard import Guarded
from comfyfix.tasks.face.marks import AS_KEPT
from comfyfix.tasks.face.options import CHECK_OPTION, JSON_OPTION
from comfyfix.tasks.face.owned import run_of
from comfyfix.tasks.run import idle
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.disk.looked import Looked

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
            return self._list_as_doit(params, args)
        token = AS_KEPT.set(params["quiet"])
        try:
            with idle.looking(wanted=not params["as_json"]) as noted:
                self.loader.setup(params)  # reads the dodo, which makes the plan
                return self._list_pending(params, noted)
        finally:
            AS_KEPT.reset(token)

    def _list_pending(self, params: Any, noted: Looked) -> int:
        manifest = self._only_manifest()
        if manifest is not None and manifest.settled is not None:
            none_pending = listing.nothing_pending(manifest.settled.answer.models)
            self._write([] if params["quiet"] else [none_pending])
            return 0
        from comfyfix.tasks.commands import list_pending as pending  # the rest of the program

        runs = runs_in(self.loader)
        if not runs:
            raise SetupProblem(Why.DODO_FOREIGN)
        pending.tell_unreadable(runs)
        if params["quiet"]:
            self._write([*pending.names(runs), *(name for name, _ in self._users_own())])
        elif params["as_json"]:
            ignored = self._ignored(params)
            say_json_of({run.prefix: pending.as_data(run, ignored) for run in runs})
        else:
            lines = list(pending.lines(runs, self._ignored(params)))
            if manifest is not None and len(lines) == 1:  # it is all that there is to say
                idle.keep(manifest.manifest, runs[0], noted, verified=False)
            self._write([*lines, *listing.own_tasks(self._users_own(), room())])
        return int(bool(params["check"] and any(map(pending.lacks, runs))))

    def _write(self, lines: Iterable[str]) -> None:
        text = "".join(f"{row}\n" for line in lines for row in laid_out(line))
        if text:  # without a buffer, even nothing at all may be too much for a screen
            self.outstream.write(text)

    def _list_as_doit(self, params: Any, args: list[str]) -> int:
        if not params["as_json"]:
            if room() is not None and not params["template"]:
                return self._list_in_columns(params, args)
            result: int = super().execute(params, args)
            return result
        self.outstream = buffer = io.StringIO()
        with contextlib.redirect_stdout(buffer):
            result = super().execute(params, args)
        say_json({"command": self.name, "lines": buffer.getvalue().splitlines()}, result or 0)
        return result

    def _list_in_columns(self, params: Any, args: list[str]) -> int:
        """What doit lists, in columns that fit the screen."""
        first = "{status} {name}" if params["status"] else "{name}"
        params["template"] = first if params["quiet"] else f"{first}{listing.BETWEEN}{{doc}}"
        screen, self.outstream = self.outstream, io.StringIO()
        try:
            result: int = super().execute(params, args)
        finally:
            text, self.outstream = self.outstream.getvalue(), screen
        self._write(listing.of_doit(text.splitlines(), room()))
        return result

    def _ignored(self, params: Any) -> set[str]:
        params.update_defaults(self.loader.load_doit_config())
        json = params["backend"] == "json"
        return inside_doit.ignored(Path(params["dep_file"])) if json else set()

    def _only_manifest(self) -> Tasks | None:
        """The one manifest of a dodo that has no tasks of the user's own, and no prefix."""
        manifests = tasks_in(self.loader)
        alone = len(manifests) == 1 and not inside_doit.has_others(self.loader)
        return manifests[0] if alone and not manifests[0].prefix else None

    def _users_own(self) -> list[tuple[str, str]]:
        """The tasks of the dodo that are not ours, as doit lists them."""
        if not inside_doit.has_others(self.loader):
            return []
        tasks = self.loader.load_tasks(cmd=self, pos_args=[])
        theirs = [task for task in tasks if run_of(task) is None and not task.subtask_of]
        return sorted((task.name, task.doc) for task in theirs if not task.name.startswith("_"))
