"""doit as `comfyfix` runs it: the tasks of the manifest in the working folder, and no dodo.py."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain

from comfyfix.screen.text import say
from comfyfix.tasks.declare import loading
from comfyfix.tasks.face.command_names import COMMANDS
from comfyfix.tasks.face.dodo import manifest_here
from comfyfix.tasks.face.options import is_common
from comfyfix.version import __version__


class _Loader(ModuleTaskLoader):  # type: ignore[misc]
    """Loads the tasks of the manifest in the working folder, once a command needs them."""

    def __init__(self) -> None:
        super().__init__({})

    def setup(self, opt_values: dict[str, Any]) -> None:  # noqa: ARG002 - doit's signature
        config, tasks = loading.load(manifest_here())
        self.namespace = {"DOIT_CONFIG": config, "task_models": tasks}


def run(arguments: list[str]) -> int:
    """Run doit with our commands; a pyproject.toml or dodo.py of the folder is not read."""
    if arguments[:1] == ["--version"]:
        say(f"comfyfix {__version__}")
        return 0
    if arguments[:1] in (["--help"], ["-h"]):
        arguments = ["help"]
    arguments = _command_first(arguments)
    program = DoitMain(_Loader(), config_filenames=(), extra_config={"COMMAND": COMMANDS})
    program.BIN_NAME = "comfyfix"
    code: int = program.run(arguments) or 0
    return code


def _command_first(arguments: list[str]) -> list[str]:
    """Put a command before the options of all commands that were typed before it."""
    leading = list(takewhile(is_common, arguments))
    command, rest = arguments[len(leading) :][:1], arguments[len(leading) + 1 :]
    named = command and command[0] in COMMANDS
    return [*command, *leading, *rest] if named else arguments
