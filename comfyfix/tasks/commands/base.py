"""What commands share that are no tasks."""

from __future__ import annotations

import getopt
from pathlib import Path
from typing import Any, ClassVar

from doit.cmdparse import CmdOption

from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.errors import SetupProblem
from comfyfix.net.origin import is_address
from comfyfix.screen import notes
from comfyfix.screen.words import t
from comfyfix.state import hashing
from comfyfix.tasks.face import inside_doit
from comfyfix.tasks.face.dodo import Tasks, named_by
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


def with_workflow(names: list[str]) -> list[str]:
    """The names of workflows that a command is given, `workflow=FILE` among them."""
    return [*names, variables()["workflow"]] if variables().get("workflow") else names


def to_edit(names: list[str]) -> list[str]:
    """The places of the workflows that a command is to change; none: those of the manifest.

    Raises SetupProblem for one that is not here, or not there at all.
    """
    names = with_workflow(names)
    require_workflows(names)
    for name in filter(is_address, names):
        raise SetupProblem(Why.EDIT_OF_ADDRESS, address=name.partition("?")[0])
    return places_of(names)


def require_workflows(names: list[str]) -> None:
    """Raise SetupProblem for a name that is no file, no folder and no address."""
    for name in names:
        if not (is_address(name) or Path(name).is_file() or Path(name).is_dir()):
            raise SetupProblem(workflow_files.why_no_file(name), path=name)


def places_of(names: list[str]) -> list[str]:
    """The names of workflows as they are, whatever folder is worked in: a dodo changes it."""
    return [name if is_address(name) else str(Path(name).absolute()) for name in names]


class Ours(Guarded):
    """A command that reads manifests: those of the dodo, or that of the working folder."""

    name: ClassVar[str]

    def __init__(self, task_loader: Any, **named: Any) -> None:
        self.loader = task_loader
        super().__init__(**named)

    def get_options(self) -> list[CmdOption]:
        """Our options, and those that say where the dodo is."""
        told = (*self.cmd_options, *self.loader.cmd_options)
        return self._with_common([CmdOption(option) for option in told])

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
        return named_by(self.loader, options)

    def runs(self, options: dict[str, Any]) -> list[Run]:
        """The projects that this command is about, opened. Raises SetupProblem."""
        workflow = variables().get("workflow")
        found = [begin(p.manifest, workflow, p.prefix) for p in self.projects(options)]
        if any(run.project.manifest.is_demo for run in found):
            notes.remark(notes.demo())
        return found

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Do what the command does; returns the exit code. Raises SetupProblem."""
        raise NotImplementedError


def project_heading(prefix: str) -> list[str]:
    """The line above what is told of one of several projects."""
    return [t("Project: {name}", name=prefix)] if prefix else []
