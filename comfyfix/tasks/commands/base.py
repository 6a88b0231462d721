"""What commands share that are no tasks."""

from __future__ import annotations

from typing import Any, ClassVar

from doit import doit_cmd

from comfyfix.screen.words import t
from comfyfix.tasks.guard import Guarded

COMMANDS = {
    "run": "comfyfix.tasks.commands.run:RunCommand",
    "list": "comfyfix.tasks.commands.list:List",
    "plan": "comfyfix.tasks.commands.plan:Plan",
    "scan": "comfyfix.tasks.commands.scan:Scan",
    "verify": "comfyfix.tasks.commands.verify:Verify",
    "why": "comfyfix.tasks.commands.why:WhyOfModel",
    "script": "comfyfix.tasks.commands.script:Script",
    "pin": "comfyfix.tasks.commands.pin:Pin",
    "info": "comfyfix.tasks.commands.doits_own:Info",
    "dumpdb": "comfyfix.tasks.commands.doits_own:DumpDB",
    "help": "comfyfix.tasks.commands.doits_own:Help",
    "tabcompletion": "comfyfix.tasks.commands.doits_own:TabCompletion",
    "strace": "comfyfix.tasks.commands.doits_own:Strace",
    "forget": "comfyfix.tasks.commands.doits_own:Forget",
    "ignore": "comfyfix.tasks.commands.doits_own:Ignore",
    "clean": "comfyfix.tasks.commands.doits_own:Clean",
    "reset-dep": "comfyfix.tasks.commands.doits_own:ResetDep",
}
"""Our commands, as doit takes them: name → module and class."""
JSON_OPTION = {
    "name": "as_json",
    "short": "",
    "long": "json",
    "type": bool,
    "default": False,
    "help": t("print JSON, and nothing else, on stdout"),
}


class Ours(Guarded):
    """A command that reads the manifest of the working folder."""

    name: ClassVar[str]

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Run it."""
        # doit takes any argument with `=` for a variable; a file's name may hold one.
        variables = doit_cmd._CMDLINE_VARS or {}
        others = [f"{k}={v}" for k, v in variables.items() if k != "workflow"]
        return self.work(opt_values, [*pos_args, *others])

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Do what the command does; returns the exit code. Raises SetupProblem."""
        raise NotImplementedError
