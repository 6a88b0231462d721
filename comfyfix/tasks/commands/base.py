"""What commands share that are no tasks."""

from __future__ import annotations

import getopt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from doit.cmdparse import CmdOption

from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.errors import SetupProblem
from comfyfix.net.urls.origin import is_address
from comfyfix.screen import notes
from comfyfix.screen.objects import say_json_of
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.state import hashing
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.dodo import Tasks, manifests_named
from comfyfix.tasks.face.guard import Guarded
from comfyfix.tasks.face.inside_doit import variables
from comfyfix.tasks.face.options import option
from comfyfix.tasks.run.opening import begin
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why

JOBS_MAX = 64
JOBS_OPTION = option(
    "jobs", 0, t("files hashed at a time (default: one per processor; 1 suits a hard disk)")
)


def jobs_of(options: dict[str, Any]) -> int:
    """How many files are to be hashed at a time. Raises SetupProblem."""
    jobs: int = options["jobs"] or min(hashing.cores(), JOBS_MAX)
    if not 1 <= jobs <= JOBS_MAX:
        raise SetupProblem(Why.JOBS_OUT_OF_RANGE, most=JOBS_MAX)
    return jobs


def require_no_names(names: list[str], why: Why) -> None:
    """Raise SetupProblem where a command is given names that takes none."""
    if names:
        raise SetupProblem(why, name=names[0])


def workflows_named(names: list[str]) -> list[str]:
    """The places of the workflows that a command is given, `workflow=FILE` among them.

    Whatever folder is worked in: a dodo changes it. None are those of the manifest. Raises
    SetupProblem for a name that is no file, no folder and no address.
    """
    names = [*names, *filter(None, [variables().get("workflow")])]
    for name in names:
        if not (is_address(name) or Path(name).is_file() or Path(name).is_dir()):
            raise SetupProblem(workflow_files.why_no_file(name), path=name)
    return [name if is_address(name) else str(Path(name).absolute()) for name in names]


def workflows_to_edit(names: list[str]) -> list[str]:
    """The same for a command that changes them. Raises SetupProblem for one that is not here."""
    places = workflows_named(names)
    for address in filter(is_address, places):
        raise SetupProblem(Why.EDIT_OF_ADDRESS, address=address.partition("?")[0])
    return places


class ProjectCommand(Guarded):
    """A command that reads manifests: those of the dodo, or that of the working folder."""

    name: ClassVar[str]

    def __init__(self, task_loader: Any, **others: Any) -> None:
        self.loader = task_loader
        super().__init__(**others)

    def get_options(self) -> list[CmdOption]:
        """Our options, and those that say where the dodo is."""
        options = (*self.cmd_options, *self.loader.cmd_options)
        return self._with_common([CmdOption(option) for option in options])

    def _parsed(self, in_args: list[str]) -> int:
        """Take options after names, too; doit takes none there, since tasks may have their own."""
        parser = self.cmdparser
        try:
            options, names = getopt.gnu_getopt(in_args, parser.get_short(), parser.get_long())
            in_args = [*(word for pair in options for word in pair if word), "--", *names]
        except getopt.GetoptError as error:  # it is told when doit meets it
            in_args = [inside_doit.dashed(error.opt)]
        return super()._parsed(in_args)

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Run it."""
        # doit takes any argument with `=` for a variable; a file's name may hold one.
        others = [f"{k}={v}" for k, v in variables().items() if k != "workflow"]
        return self.work(opt_values, [*pos_args, *others])

    def projects(self, options: dict[str, Any]) -> list[Tasks]:
        """The manifests that this command is about. Raises SetupProblem."""
        return manifests_named(self.loader, options)

    def runs(self, options: dict[str, Any]) -> list[Run]:
        """The projects that this command is about, opened. Raises SetupProblem."""
        workflow = variables().get("workflow")
        runs = [begin(p.manifest, workflow, p.prefix) for p in self.projects(options)]
        if any(run.project.manifest.is_demo for run in runs):
            notes.remark(notes.demo())
        return runs

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Do what the command does; returns the exit code. Raises SetupProblem."""
        raise NotImplementedError


def project_heading(prefix: str) -> list[str]:
    """The line above what is told of one of several projects."""
    return [t("Project: {name}", name=prefix)] if prefix else []


_Outcome = TypeVar("_Outcome")


def tell_projects(
    outcomes: Iterable[tuple[str, _Outcome]],
    as_data: Callable[[_Outcome], object],
    lines: Callable[[_Outcome], Iterable[str]],
    *,
    as_json: bool,
) -> None:
    """Tell what has come of projects, each by its prefix: as one object, or in lines for people."""
    if as_json:
        say_json_of({prefix: as_data(outcome) for prefix, outcome in outcomes})
        return
    for prefix, outcome in outcomes:
        say(*project_heading(prefix), *lines(outcome))
