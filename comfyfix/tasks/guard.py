"""What every command is wrapped in: a stop at any time, and a screen that may be gone."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from doit.cmd_base import Command
from doit.cmdparse import CmdOption, CmdParseError
from doit.exceptions import InvalidCommand

from comfyfix.errors import SetupProblem
from comfyfix.net.offline import kept_offline
from comfyfix.records import because
from comfyfix.screen import notes
from comfyfix.screen.ends import guarded, settle_descriptors
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.tasks import inside_doit
from comfyfix.tasks.nearest import nearest, unknown
from comfyfix.why import Why

REFUSED = 3
"""The exit code of a command that can't start."""
_HELP = ("-h", "--help")
OFFLINE_OPTION = {
    "name": "offline",
    "short": "",
    "long": "offline",
    "type": bool,
    "default": False,
    "help": t("send no request, as with `COMFYFIX_OFFLINE=1` or `HF_HUB_OFFLINE=1`"),
}


def _is_offline(word: str) -> bool:
    """Tell whether a word is that option, perhaps cut short as options may be."""
    return word.startswith("--of") and "--offline".startswith(word)


class Guarded(Command):  # type: ignore[misc]
    """A command that can be stopped from its first moment, and that tells if no one hears it.

    A problem of set-up, or of its options, is one line on stderr.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        settle_descriptors()  # before doit keeps `sys.stdout`
        super().__init__(*arguments, **named)

    def parse_execute(self, in_args: list[str]) -> int:
        """Run the command; returns the exit code."""
        ours = in_args[: in_args.index("--")] if "--" in in_args else in_args
        kept = [word for word in ours if not _is_offline(word)]
        with kept_offline() if len(kept) < len(ours) else contextlib.nullcontext():
            return guarded(functools.partial(self._refusing, [*kept, *in_args[len(ours) :]]))

    def get_options(self) -> list[CmdOption]:
        """The options, with the one that all commands have."""
        return [*super().get_options(), CmdOption(OFFLINE_OPTION)]

    def _refusing(self, in_args: list[str]) -> int:
        try:
            return self._parsed(in_args)
        except SetupProblem as problem:
            notes.refusal(problem)
            return REFUSED

    def _parsed(self, in_args: list[str]) -> int:
        try:
            return super().parse_execute(in_args) or 0
        except CmdParseError as error:
            option, kind = inside_doit.option_refused(error)
            if option in _HELP and kind is Why.OPTION_UNKNOWN:
                say(*self.help().split("\n"))
                return 0
            if not option:
                raise
            raise self._mistaken(option, kind) from None
        except InvalidCommand as error:
            name = inside_doit.no_task(error)
            tasks = getattr(self, "task_list", None)
            if name is None or tasks is None:
                raise
            raise unknown(name, [task.name for task in tasks]) from None

    def _mistaken(self, option: str, kind: Why) -> SetupProblem:
        long = {o.name: inside_doit.dashed(o.long) for o in self.cmdparser.options if o.long}
        near = nearest(option, long.values()) if kind is Why.OPTION_UNKNOWN else []
        cause = because(Why.NEAREST_NAMES, names=near) if near else ""
        option = long.get(option, option)
        return SetupProblem(kind, command=self.name, option=option, cause=cause)
